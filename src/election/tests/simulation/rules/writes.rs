use std::collections::{BTreeMap, BTreeSet};

use super::{Exclusion, Verdict};
use crate::election::{Command, Identity, Outcome, Record, Token};

/// R8: a late, duplicated or reordered command never revives, shortens or removes another grant.
///
/// Judged at the register, where every write is put into its class.
#[derive(Default)]
pub struct Writes {
    /// Grants, and not tokens: after a loss of data with a clock stepped back, which R2 excludes, two
    /// grants may have been minted the same token.
    released: BTreeSet<(Token, Option<Identity>)>,
    grantees: BTreeMap<Token, Identity>,
}

/// One write at a register.
pub struct Write<'a> {
    pub now: u64,
    pub command: &'a Command,
    pub outcome: Outcome,
    pub before: Option<&'a Record>,
    pub after: &'a Record,
}

impl Write<'_> {
    /// A grant with a token of its own, rather than a lost reply repeated.
    pub fn is_new_grant(&self) -> bool {
        self.outcome == Outcome::Granted
            && self.before.map(|before| before.token) != Some(self.after.token)
    }
}

impl Writes {
    pub fn written(&mut self, write: &Write, highest: Token, terms: &Exclusion) -> Verdict {
        let (before, after) = (write.before, write.after);
        if let Some(before) = before {
            let continues = before.version.epoch == after.version.epoch
                && before.version.incarnation == after.version.incarnation;
            if continues && after.version.seq != before.version.seq + 1 {
                return Err(format!(
                    "a write led from {} to {}",
                    before.version, after.version
                ));
            }
        }
        match write.outcome {
            Outcome::Granted if write.is_new_grant() => {
                let grantee = after.holder.map(|holder| (after.token, holder));
                self.grantees.extend(grantee);
                Ok(())
            }
            Outcome::Released => self.release(write, terms),
            Outcome::Granted | Outcome::Renewed => self.continued(write, highest),
            _ => Ok(()),
        }
    }

    /// To whom a token was granted.
    pub fn grantee(&self, token: Token) -> Option<Identity> {
        self.grantees.get(&token).copied()
    }

    fn release(&mut self, write: &Write, terms: &Exclusion) -> Verdict {
        let token = write.after.token;
        let before = write.before.and_then(|before| before.holder);
        self.released.insert((token, before));
        if let Command::Release { identity, .. } = write.command
            && before != Some(*identity)
        {
            return Err(format!(
                "a release removed another's grant: token {token} of {before:?} was released by \
                 {identity}"
            ));
        }
        if let Some(term) = terms.live(write.now, token) {
            return Err(format!(
                "a late release removed the live term of c{} with token {token}",
                term.who
            ));
        }
        Ok(())
    }

    /// A write that keeps or restores a grant.
    fn continued(&self, write: &Write, highest: Token) -> Verdict {
        let (token, holder) = (write.after.token, write.after.holder);
        if self.released.contains(&(token, holder)) {
            return Err(format!("token {token} was revived after its release"));
        }
        if token < highest {
            return Err(format!(
                "token {token} was revived although {highest} has been granted"
            ));
        }
        if let Some(before) = write.before {
            if before.token > token {
                return Err(format!(
                    "token {token} was written over the newer grant {}",
                    before.token
                ));
            }
            // Nobody's, it was made again by somebody who could not read it.
            let own = before.holder.is_none() && self.grantee(token) == holder;
            if before.token == token && before.holder != holder && !own {
                return Err(format!(
                    "the grant {token} of {:?} was given to {holder:?}",
                    before.holder
                ));
            }
        }
        let named = match write.command {
            Command::Acquire { identity, .. } | Command::Renew { identity, .. } => Some(*identity),
            _ => None,
        };
        if named != holder {
            return Err(format!(
                "a command of {named:?} extended the grant {token} of {holder:?}"
            ));
        }
        Ok(())
    }
}
