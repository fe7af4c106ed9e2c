//! What a search has to have seen: a run in which nothing happens proves nothing.

use super::kind::Kind;
use super::statistics::Statistics;

/// What should happen sometimes, beside every kind of fault.
const SOMETIMES: [&str; 20] = [
    "R6 deadlines checked",
    "campaigns ended and checked",
    "elections",
    "grants",
    "grants by a ripe watch",
    "grants of a released record",
    "grants of a missing record, eagerly",
    "grants repeated because the reply was lost",
    "looks at a lease that had run out",
    "lost: expired",
    "lost: failed",
    "lost: stalled",
    "lost: store lost",
    "lost: superseded",
    "records written again by their holder",
    "renewals found stale",
    "resigned",
    "resigns answered before they were confirmed",
    "stale writes refused by the fence",
    "writes that WAIT did not confirm",
];

/// Every transition between two phases that the rules allow.
const TRANSITIONS: [(&str, &str); 37] = [
    ("idle", "standing"),
    ("idle, releasing", "idle"),
    ("idle, releasing", "standing"),
    ("idle", "idle, releasing"),
    ("watching", "idle"),
    ("watching", "idle, releasing"),
    ("watching", "standing"),
    ("standing", "idle"),
    ("standing", "idle, releasing"),
    ("standing", "watching"),
    ("standing", "primary"),
    ("standing", "standing, perhaps granted"),
    ("standing, perhaps granted", "idle, releasing"),
    ("standing, perhaps granted", "primary"),
    ("standing, perhaps granted", "standing"),
    ("standing, perhaps granted", "watching"),
    ("primary", "idle, releasing"),
    ("primary", "primary, failing"),
    ("primary", "lapsed"),
    ("primary", "standing"),
    ("primary", "watching"),
    ("primary, failing", "primary"),
    ("primary, failing", "lapsed"),
    ("primary, failing", "idle, releasing"),
    ("primary, failing", "standing"),
    ("primary, failing", "watching"),
    ("lapsed", "standing"),
    ("lapsed", "watching"),
    ("lapsed", "idle, releasing"),
    ("watching", "suspended"),
    ("standing", "suspended"),
    ("standing, perhaps granted", "suspended"),
    ("primary", "suspended"),
    ("primary, failing", "suspended"),
    ("lapsed", "suspended"),
    ("suspended", "watching"),
    ("suspended", "standing"),
];

/// What should have happened and did not.
pub fn holes(statistics: &Statistics) -> Vec<String> {
    let counted = |name: &str| statistics.counts.contains_key(name);
    let faults = Kind::ALL.iter().filter(|kind| {
        !matches!(kind, Kind::ClockRates | Kind::Lateness) && !counted(&kind.name())
    });
    let faults = faults.map(|kind| format!("no {} occurred", kind.name()));
    let sometimes = SOMETIMES.iter().filter(|name| !counted(name));
    let sometimes = sometimes.map(|name| format!("never: {name}"));
    let taken = |transition: &&(_, _)| !statistics.transitions.contains_key(*transition);
    let transitions = TRANSITIONS.iter().filter(taken);
    let transitions = transitions.map(|(from, to)| format!("never from '{from}' to '{to}'"));
    faults.chain(sometimes).chain(transitions).collect()
}

/// Transitions that were taken and are not in the table: either the table or the rules are wrong.
pub fn surprises(statistics: &Statistics) -> Vec<String> {
    let unknown = statistics
        .transitions
        .keys()
        .filter(|transition| !TRANSITIONS.contains(transition));
    unknown
        .map(|(from, to)| format!("unexpected: from '{from}' to '{to}'"))
        .collect()
}
