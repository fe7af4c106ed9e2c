use std::fmt;
use std::str::FromStr;

/// The random name of a candidate's standing and of the term it wins: 128 bits, written as 32
/// lower-case hexadecimal digits.
///
/// Unique per acquisition, not per process: a release is bound to it, and a late release of an
/// earlier term must not remove a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(u128);

impl Identity {
    pub const fn new(bits: u128) -> Self {
        Identity(bits)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

impl FromStr for Identity {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Identity)
    }
}
