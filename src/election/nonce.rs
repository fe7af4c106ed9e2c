use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// 64 bits, as 16 lower-case hexadecimal digits.
///
/// A command's are random, drawn again for each, and never published. A record's come from those of the
/// command that wrote it and from its version. So nobody can know them before that very write: a message
/// that names them with the version is no older than it, whoever published it, and also where a network
/// repeats the command.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(u64);

impl Nonce {
    pub const fn new(bits: u64) -> Self {
        Nonce(bits)
    }

    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl FromStr for Nonce {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Nonce)
    }
}
