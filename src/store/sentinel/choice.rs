//! Which of the addresses that the sentinels name is tried, and in which order.

use super::super::Endpoint;

/// What one sentinel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Testimony {
    /// `None` where it does not know the name.
    pub master: Option<Endpoint>,
    /// The number of the failover that made it the master.
    pub config_epoch: u64,
    /// The other sentinels that it is in touch with.
    pub others: Vec<Endpoint>,
}

/// The addresses to try, best first.
///
/// Sentinels learn of a failover one after the other, over seconds, and each failover has a higher epoch:
/// the highest wins, however few know it. Within an epoch the address wins that most of them name.
///
/// A single sentinel can be wrong without end, so the address that more than half of them name comes second.
/// It may only be tried where the first is certainly no master: while that is silent, the second may be
/// the old master, which goes on answering.
pub(super) fn candidates(testimonies: &[Testimony]) -> Vec<Endpoint> {
    let named = |testimony: &Testimony| {
        testimony
            .master
            .clone()
            .map(|at| (testimony.config_epoch, at))
    };
    let named: Vec<(u64, Endpoint)> = testimonies.iter().filter_map(named).collect();
    let Some(highest) = named.iter().map(|(epoch, _)| *epoch).max() else {
        return Vec::new();
    };
    let votes = |at: &Endpoint, least: u64| {
        let agrees = |(epoch, other): &&(u64, Endpoint)| other == at && *epoch >= least;
        named.iter().filter(agrees).count()
    };
    // Of those with as many votes, the one that was named first.
    let latest = named.iter().filter(|(epoch, _)| *epoch == highest).rev();
    let first = latest.max_by_key(|(_, at)| votes(at, highest));
    let most = named
        .iter()
        .find(|(_, at)| 2 * votes(at, 0) > testimonies.len());
    let mut candidates: Vec<Endpoint> = first
        .into_iter()
        .chain(most)
        .map(|(_, at)| at.clone())
        .collect();
    candidates.dedup();
    candidates
}

/// The sentinels to ask beside the given ones, of which so many have answered: all that are told of, where
/// more are alive than that. The same one may be given by its name and told of by its address, so that
/// those that are told of are not simply added.
pub(super) fn learned(
    given: &[Endpoint],
    answered: usize,
    testimonies: &[Testimony],
) -> Vec<Endpoint> {
    let alive = testimonies
        .iter()
        .map(|testimony| testimony.others.len() + 1)
        .max();
    if alive.is_none_or(|alive| alive <= answered) {
        return Vec::new();
    }
    let mut learned: Vec<Endpoint> = Vec::new();
    for other in testimonies.iter().flat_map(|testimony| &testimony.others) {
        if learned.len() < MOST && !given.contains(other) && !learned.contains(other) {
            learned.push(other.clone());
        }
    }
    learned
}

/// Nobody runs more, and one that lies must not have us connect to half the world.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Endpoint {
        Endpoint {
            host: "10.0.0.1".into(),
            port,
        }
    }

    fn says(port: u16, config_epoch: u64) -> Testimony {
        Testimony {
            master: Some(at(port)),
            config_epoch,
            others: Vec::new(),
        }
    }

    fn tells_of(others: &[u16]) -> Testimony {
        Testimony {
            others: others.iter().copied().map(at).collect(),
            ..says(1, 1)
        }
    }

    fn chosen(testimonies: &[Testimony]) -> Vec<u16> {
        candidates(testimonies).iter().map(|at| at.port).collect()
    }

    #[test]
    fn sentinels_that_agree_name_one_address() {
        assert_eq!(chosen(&[says(1, 7), says(1, 7), says(1, 7)]), [1]);
        assert_eq!(chosen(&[says(1, 0)]), [1]);
    }

    #[test]
    fn the_only_one_that_knows_of_the_latest_failover_is_believed_first() {
        assert_eq!(chosen(&[says(1, 7), says(2, 8), says(1, 7)]), [2, 1]);
        assert_eq!(chosen(&[says(2, 8), says(1, 7)]), [2]);
    }

    #[test]
    fn a_sentinel_that_came_back_with_an_old_state_changes_nothing() {
        assert_eq!(chosen(&[says(1, 3), says(2, 8), says(2, 8)]), [2]);
    }

    #[test]
    fn a_higher_epoch_for_the_same_address_is_the_same_address() {
        assert_eq!(chosen(&[says(1, 7), says(1, 8)]), [1]);
    }

    #[test]
    fn within_an_epoch_most_of_them_are_right() {
        assert_eq!(chosen(&[says(9, 0), says(1, 0), says(1, 0)]), [1]);
    }

    #[test]
    fn where_as_many_say_one_thing_as_the_other_the_first_is_tried() {
        assert_eq!(chosen(&[says(1, 5), says(2, 5)]), [1]);
        assert_eq!(chosen(&[says(2, 5), says(1, 5)]), [2]);
    }

    #[test]
    fn an_old_address_without_a_majority_is_no_second_choice() {
        assert_eq!(chosen(&[says(1, 1), says(2, 2), says(3, 3)]), [3]);
        assert_eq!(
            chosen(&[says(1, 1), says(1, 1), says(2, 2), says(3, 2)]),
            [2]
        );
    }

    #[test]
    fn who_does_not_know_the_name_names_nobody_and_counts_against_a_majority() {
        assert_eq!(chosen(&[Testimony::default(), says(1, 2)]), [1]);
        assert_eq!(chosen(&[Testimony::default(), says(1, 1), says(2, 2)]), [2]);
        assert_eq!(chosen(&[Testimony::default()]), [0; 0]);
        assert_eq!(chosen(&[]), [0; 0]);
    }

    #[test]
    fn others_are_learned_where_more_are_alive_than_have_answered() {
        let given = [at(1), at(2), at(3)];
        let all = [tells_of(&[2, 3]), tells_of(&[1, 3]), tells_of(&[1, 2])];
        assert_eq!(learned(&given, 3, &all), []);
        assert_eq!(learned(&given[..1], 1, &all[..1]), [at(2), at(3)]);
        // One of the given is gone, and another has taken its place.
        let replaced = [tells_of(&[2, 4]), tells_of(&[1, 4])];
        assert_eq!(learned(&given, 2, &replaced), [at(4)]);
        assert_eq!(learned(&given, 0, &[]), []);
    }

    #[test]
    fn a_sentinel_that_tells_of_thousands_is_believed_a_few() {
        let thousands: Vec<u16> = (1000..9000).collect();
        assert_eq!(learned(&[at(1)], 1, &[tells_of(&thousands)]).len(), MOST);
    }
}
