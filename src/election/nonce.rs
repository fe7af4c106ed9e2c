use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// 64 random bits, drawn anew for every command and written with what it writes, as 16 lower-case
/// hexadecimal digits.
///
/// Nobody can know them before the command was sent: a message that names them is no older than
/// that, whoever published it. If the command creates the record, they are half of its epoch too.
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
