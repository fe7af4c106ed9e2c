use super::kebab;
use super::kind::Kind;
use super::rules::Rule;
use crate::store::Tells;

/// A family of runs: which faults may occur, and which rules they must not break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Network, pauses, crashes, clock rates, users.
    Network,
    /// All data lost: flushed, evicted, restarted empty, an empty replica promoted.
    Loss,
    /// An older state comes back: a lagging replica promoted, a snapshot restored.
    Rollback,
    /// The server's wall clock steps, in both directions.
    Steps,
    /// All of these, the clock stepping forward only.
    Everything,
    /// Loss together with backward clock steps: beyond what R2 assumes.
    LossAndSteps,
    /// Candidates with different ttls; no data is lost.
    MixedTtls,
    /// `eagerStart`, without FLUSHALL.
    Eager,
    /// An old master goes on answering its clients: beyond what R1 assumes.
    Split,
    /// The same, every write confirmed by all replicas (WAIT).
    SplitConfirmed,
    /// Clocks up to 5 % off: beyond what R1 assumes.
    WildClocks,
    /// The faults of another family on a server that does not tell its incarnation (`failoverUnsafe`).
    UntoldNetwork,
    UntoldLoss,
    /// Beyond what R1 assumes, as is the next.
    UntoldRollback,
    UntoldEverything,
    /// The same on one that tells its replication id, which is that of its process.
    ReplidRollback,
    ReplidEverything,
}

impl Family {
    /// What a seed draws one of.
    pub const ALL: [Family; 11] = [
        Family::Network,
        Family::Loss,
        Family::Rollback,
        Family::Steps,
        Family::Everything,
        Family::LossAndSteps,
        Family::MixedTtls,
        Family::Eager,
        Family::Split,
        Family::SplitConfirmed,
        Family::WildClocks,
    ];

    /// Played on their own: elections without an incarnation lose what they are known to lose.
    pub const UNTOLD: [Family; 6] = [
        Family::UntoldNetwork,
        Family::UntoldLoss,
        Family::UntoldRollback,
        Family::UntoldEverything,
        Family::ReplidRollback,
        Family::ReplidEverything,
    ];

    pub fn all() -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().chain(Family::UNTOLD)
    }

    /// The family whose faults it has.
    pub fn faults(self) -> Family {
        match self {
            Family::UntoldNetwork => Family::Network,
            Family::UntoldLoss => Family::Loss,
            Family::UntoldRollback | Family::ReplidRollback => Family::Rollback,
            Family::UntoldEverything | Family::ReplidEverything => Family::Everything,
            own => own,
        }
    }

    /// What its server tells of its incarnation.
    pub fn tells(self) -> Tells {
        match self {
            Family::UntoldNetwork
            | Family::UntoldLoss
            | Family::UntoldRollback
            | Family::UntoldEverything => Tells::Nothing,
            Family::ReplidRollback | Family::ReplidEverything => Tells::ReplidAlone,
            _ => Tells::All,
        }
    }

    /// An older state comes back and nothing tells of it.
    fn loses_writes_unseen(self) -> bool {
        let rolls_back = matches!(self.faults(), Family::Rollback | Family::Everything);
        rolls_back && self.tells() != Tells::All
    }

    pub fn of_seed(seed: u64) -> Family {
        Family::ALL[(seed % Family::ALL.len() as u64) as usize]
    }

    pub fn allows(self, kind: Kind) -> bool {
        use Kind::*;
        let faults = self.faults();
        let (loss, rollback) = match faults {
            Family::Loss | Family::LossAndSteps => (true, false),
            Family::Rollback => (false, true),
            Family::Everything => (true, true),
            _ => (false, false),
        };
        match kind {
            Flush | Evict => loss,
            // A server that restarts empty is younger than any holder's term.
            RestartEmpty => loss || self == Family::Eager,
            PromoteEmpty => loss || self == Family::Eager,
            Failover => rollback || self == Family::Eager,
            // A server that makes the record again knows of no ttl but its own.
            Spoil => self != Family::MixedTtls,
            RestartOlder => rollback,
            StepClock => matches!(
                faults,
                Family::Steps | Family::Everything | Family::LossAndSteps
            ),
            StepClockBack => matches!(self, Family::Steps | Family::LossAndSteps),
            Split => matches!(self, Family::Split | Family::SplitConfirmed),
            _ => true,
        }
    }

    /// Where not, a breach is counted: the run breaks what the rule assumes.
    pub fn asserts(self, rule: Rule) -> bool {
        match rule {
            Rule::R1 => {
                !matches!(self, Family::Split | Family::WildClocks) && !self.loses_writes_unseen()
            }
            Rule::R2 => !matches!(
                self,
                Family::LossAndSteps | Family::Split | Family::SplitConfirmed
            ),
            // With two registers each sees but half of the grants.
            Rule::R6 => !matches!(self, Family::Split | Family::SplitConfirmed),
            Rule::R8 => {
                !matches!(self, Family::Split | Family::SplitConfirmed)
                    && !self.loses_writes_unseen()
            }
            _ => true,
        }
    }

    pub fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }
}
