use std::fmt;

/// A fencing token: a number that rises with every grant of an election.
///
/// It stays a safe integer of JavaScript (below 2^53): the scripts refuse a grant that would pass
/// [`Token::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// The token of a record that was never granted; every real token is larger.
    pub const NONE: Token = Token(0);
    /// 2^53 - 1, the largest integer that JavaScript and Lua represent exactly.
    pub const MAX: Token = Token((1 << 53) - 1);

    pub const fn new(value: u64) -> Self {
        Token(value)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
