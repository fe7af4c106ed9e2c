use super::Verdict;
use crate::election::Token;

/// R3: a resource that has accepted token *n* refuses every smaller one.
#[derive(Default)]
pub struct Fence {
    resource: Resource,
    last_accepted: Token,
    pub refused: u64,
}

/// What every user of a fencing token has to write: two lines.
#[derive(Default)]
struct Resource {
    highest: Token,
}

impl Resource {
    fn write(&mut self, token: Token) -> bool {
        let accepted = token >= self.highest;
        self.highest = self.highest.max(token);
        accepted
    }
}

impl Fence {
    /// A write arrives; `held` if its writer's lease is held at this moment.
    ///
    /// The second verdict is about R2 as the resource sees it: the lease that is held has the
    /// highest token.
    pub fn write(&mut self, token: Token, held: bool) -> (Verdict, Verdict) {
        let accepted = self.resource.write(token);
        self.refused += u64::from(!accepted);
        let order = if accepted && token < self.last_accepted {
            Err(format!(
                "the resource accepted token {token} after {}",
                self.last_accepted
            ))
        } else {
            Ok(())
        };
        if accepted {
            self.last_accepted = token;
        }
        let usable = if held && !accepted {
            Err(format!(
                "the resource refused token {token} of the primary itself: it has seen {}",
                self.last_accepted
            ))
        } else {
            Ok(())
        };
        (order, usable)
    }
}
