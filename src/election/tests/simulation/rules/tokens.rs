use super::Verdict;
use crate::election::Token;

/// R2: tokens strictly rise in the order of the grants.
#[derive(Default)]
pub struct Tokens {
    highest: Token,
}

impl Tokens {
    /// A new grant at the register.
    pub fn granted(&mut self, token: Token) -> Verdict {
        let highest = self.highest;
        self.highest = highest.max(token);
        if token > highest {
            return Ok(());
        }
        Err(format!("token {token} was granted after {highest}"))
    }

    pub fn highest(&self) -> Token {
        self.highest
    }
}
