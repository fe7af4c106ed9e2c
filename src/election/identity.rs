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
        // It is written with each command of a run: `{:032x}` takes several times as long.
        let mut digits = [0; 32];
        for (at, digit) in digits.iter_mut().enumerate() {
            let nibble = (self.0 >> (4 * (31 - at))) as usize & 15;
            *digit = b"0123456789abcdef"[nibble];
        }
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
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
