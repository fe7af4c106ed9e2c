use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How a candidate ranks among those who stand: by its priority, then by its version. A text whose bytes sort
/// as ranks do ("Ranks" in docs/protocol.md), so that none who compares needs to know of versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rank(Arc<str>);

/// A text that is no rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARank;

impl Rank {
    /// `version_order`: the version as a text that sorts; empty for none.
    pub fn new(priority: i16, version_order: &str) -> Result<Self, NotARank> {
        let digits = i32::from(PRIORITIES) + 1 + i32::from(priority);
        format!("{digits:04}{version_order}").parse()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Rank {
    fn default() -> Self {
        Rank("1000".into())
    }
}

impl FromStr for Rank {
    type Err = NotARank;

    fn from_str(text: &str) -> Result<Self, NotARank> {
        let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'!' | b'~');
        let begins = text.len() >= 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
        match begins && text.len() <= LONGEST && text.bytes().all(may) {
            true => Ok(Rank(text.into())),
            false => Err(NotARank),
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which ranks stand by, as the record says: a hint, which may be stale or forged. At most
/// [`MOST_RANKS`], the highest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranks(Option<Arc<[Rank]>>);

impl Ranks {
    /// Leaves out what is no rank and what there is too much of.
    pub fn parse(text: &str) -> Self {
        text.split(',')
            .filter_map(|rank| rank.parse().ok())
            .collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rank> {
        self.0.iter().flat_map(|ranks| ranks.iter())
    }

    /// How long `mine` lets the higher ones go first: whatever is said here, no longer than 40 ms.
    pub fn yield_of(&self, mine: &Rank) -> Duration {
        match self.iter().filter(|rank| *rank > mine).count() {
            0 => Duration::ZERO,
            1 => YIELD_TO_ONE,
            _ => YIELD_TO_SEVERAL,
        }
    }
}

impl FromIterator<Rank> for Ranks {
    fn from_iter<I: IntoIterator<Item = Rank>>(ranks: I) -> Self {
        let ranks: Vec<Rank> = ranks.into_iter().take(MOST_RANKS).collect();
        Ranks((!ranks.is_empty()).then(|| ranks.into()))
    }
}

impl fmt::Display for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rank) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            rank.fmt(f)?;
        }
        Ok(())
    }
}

/// A priority lies between this and its negative.
pub const PRIORITIES: i16 = 999;
/// How many ranks a record keeps.
pub const MOST_RANKS: usize = 4;
/// In bytes.
const LONGEST: usize = 200;
/// Some round trips on a busy machine: after the first the higher one is heard of.
const YIELD_TO_ONE: Duration = Duration::from_millis(30);
/// What stale or forged ranks cost at most.
const YIELD_TO_SEVERAL: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_by_priority_and_then_by_version() {
        let ranks = [
            (-999, "~"),
            (-1, ""),
            (0, ""),
            (0, "011~"),
            (0, "012~"),
            (1, ""),
            (999, ""),
        ];
        let sorted: Vec<Rank> = ranks
            .map(|(priority, version)| Rank::new(priority, version).unwrap())
            .into();
        assert!(sorted.is_sorted(), "{sorted:?}");
        assert_eq!(sorted[2], Rank::default());
    }

    #[test]
    fn what_is_no_rank_is_left_out_and_so_is_what_there_is_too_much_of() {
        let long = format!("1000{}", "a".repeat(200));
        let odd = format!("1000,,x,100,1000 1,1000\u{e9},{long},0001!,0002,0003,0004,0005");
        assert_eq!(Ranks::parse(&odd).to_string(), "1000,0001!,0002,0003");
        assert_eq!(Ranks::parse("").to_string(), "");
    }

    #[test]
    fn however_many_are_higher_one_lets_them_go_first_for_40_ms_at_most() {
        let mine = Rank::new(0, "").unwrap();
        let yields = |text| Ranks::parse(text).yield_of(&mine).as_millis();
        assert_eq!(yields(""), 0);
        assert_eq!(yields("1000,0999"), 0);
        assert_eq!(yields("1001,1000"), 30);
        assert_eq!(yields("1003,1002,1001"), 40);
    }
}
