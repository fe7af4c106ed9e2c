use std::collections::VecDeque;

/// Commands on their way to the socket, as the protocol writes them.
///
/// Small arguments share a piece; a large one stays where it is.
#[derive(Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Vec<u8>>,
    /// How much of the first piece the socket has taken.
    taken: usize,
    /// How much was ever put in, and how much the socket has ever taken.
    pub put: u64,
    pub written: u64,
}

impl Outgoing {
    pub fn begin_command(&mut self, arguments: usize) {
        self.append(head(b'*', arguments, &mut Digits::default()));
    }

    pub fn argument(&mut self, argument: &[u8]) {
        self.append(head(b'$', argument.len(), &mut Digits::default()));
        self.append(argument);
        self.append(b"\r\n");
    }

    pub fn owned_argument(&mut self, argument: Vec<u8>) {
        if argument.len() <= PIECE {
            return self.argument(&argument);
        }
        self.append(head(b'$', argument.len(), &mut Digits::default()));
        self.put += argument.len() as u64;
        self.pieces.push_back(argument);
        self.append(b"\r\n");
    }

    pub fn is_empty(&self) -> bool {
        self.put == self.written
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> u64 {
        self.put - self.written
    }

    /// What the socket is to take next.
    pub fn next(&self) -> &[u8] {
        self.pieces
            .front()
            .map_or(&[], |piece| &piece[self.taken..])
    }

    pub fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        self.written += bytes as u64;
        if self.next().is_empty() {
            self.taken = 0;
            match &mut self.pieces {
                // The last one is filled again, unless it is a large argument.
                pieces if pieces.len() == 1 && pieces[0].capacity() <= 4 * PIECE => {
                    pieces[0].clear();
                }
                pieces => drop(pieces.pop_front()),
            }
        }
    }

    /// Puts in what is already written as the protocol wants it.
    pub fn append(&mut self, bytes: &[u8]) {
        self.put += bytes.len() as u64;
        match self.pieces.back_mut() {
            // A large argument has no room left, and moves when it grows.
            Some(last) if last.len() + bytes.len() <= 2 * PIECE && last.capacity() <= 4 * PIECE => {
                last.extend_from_slice(bytes);
            }
            _ => self.pieces.push_back(bytes.to_vec()),
        }
    }
}

/// How an array (`*`) or a string (`$`) of that length begins.
pub(super) fn head(kind: u8, length: usize, digits: &mut Digits) -> &[u8] {
    let mut rest = length;
    let mut at = digits.len() - 2;
    digits[at..].copy_from_slice(b"\r\n");
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    digits[at - 1] = kind;
    &digits[at - 1..]
}

/// As many as a length has, and what stands around them.
pub(super) type Digits = [u8; 24];

/// What is copied rather than written by itself.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outgoing: &mut Outgoing, at_once: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while !outgoing.is_empty() {
            let next = outgoing.next();
            let next = next[..next.len().min(at_once)].to_vec();
            outgoing.take(next.len());
            written.extend(next);
        }
        written
    }

    #[test]
    fn commands_leave_as_the_protocol_writes_them_however_little_is_taken_at_once() {
        for at_once in [1, 7, usize::MAX] {
            let mut outgoing = Outgoing::default();
            for (command, value) in [("SET", "a".repeat(3)), ("GET", String::new())] {
                outgoing.begin_command(2);
                outgoing.argument(command.as_bytes());
                outgoing.owned_argument(value.into_bytes());
            }
            let expected = b"*2\r\n$3\r\nSET\r\n$3\r\naaa\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
            assert_eq!(outgoing.waiting(), expected.len() as u64);
            assert_eq!(drain(&mut outgoing, at_once), expected);
            assert_eq!(outgoing.waiting(), 0);
        }
    }

    #[test]
    fn lengths_are_written_in_full() {
        for (length, expected) in [
            (0, "$0\r\n".to_owned()),
            (10, "$10\r\n".to_owned()),
            (usize::MAX, format!("${}\r\n", usize::MAX)),
        ] {
            assert_eq!(
                head(b'$', length, &mut Digits::default()),
                expected.as_bytes()
            );
        }
    }

    #[test]
    fn what_is_written_leaves_its_place_to_what_comes_next() {
        let mut outgoing = Outgoing::default();
        outgoing.argument(b"first");
        let place = outgoing.next().as_ptr();
        drain(&mut outgoing, usize::MAX);
        outgoing.argument(b"second");
        assert_eq!(outgoing.next().as_ptr(), place);
        assert_eq!(drain(&mut outgoing, 3), b"$6\r\nsecond\r\n");
    }

    #[test]
    fn a_large_argument_is_not_copied() {
        let large = vec![b'x'; 3 * PIECE];
        let place = large.as_ptr();
        let mut outgoing = Outgoing::default();
        outgoing.begin_command(1);
        outgoing.owned_argument(large);
        let header = outgoing.next().len();
        outgoing.take(header);
        assert_eq!(outgoing.next().as_ptr(), place);
        assert_eq!(drain(&mut outgoing, usize::MAX).len(), 3 * PIECE + 2);
    }

    #[test]
    fn many_small_arguments_share_pieces() {
        let mut outgoing = Outgoing::default();
        for _ in 0..10_000 {
            outgoing.argument(b"0123456789");
        }
        assert!(outgoing.pieces.len() < 10, "{}", outgoing.pieces.len());
        assert_eq!(drain(&mut outgoing, usize::MAX).len(), 10_000 * 17);
    }
}
