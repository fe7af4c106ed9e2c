//! The campaigns of an environment.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::campaign::Campaign;
use super::environment::{Environment, Feature};

/// The campaigns of each prefix: the present one is the last; replaced ones have not ended.
#[derive(Default)]
pub struct Campaigns(RefCell<HashMap<String, Vec<Rc<Campaign>>>>);

impl Feature for Campaigns {}

impl Campaigns {
    pub fn present(&self, prefix: &str) -> Option<Rc<Campaign>> {
        self.0.borrow().get(prefix)?.last().cloned()
    }

    /// Those of each prefix that campaign.
    pub fn present_ones(&self) -> Vec<Rc<Campaign>> {
        let all = self.0.borrow();
        let present = all.values().filter_map(|campaigns| campaigns.last());
        present
            .filter(|campaign| campaign.is_active())
            .cloned()
            .collect()
    }

    /// Those of a prefix, or all.
    pub fn of(&self, prefix: Option<&str>) -> Vec<Rc<Campaign>> {
        let all = self.0.borrow();
        let of = |(key, _): &(&String, &Vec<_>)| prefix.is_none_or(|prefix| prefix == *key);
        let found = all.iter().filter(of);
        found.flat_map(|(_, campaigns)| campaigns.clone()).collect()
    }

    pub fn add(&self, environment: &Environment, campaign: &Rc<Campaign>) {
        environment.add(campaign.number, campaign.clone());
        let mut all = self.0.borrow_mut();
        all.entry(campaign.prefix.clone())
            .or_default()
            .push(campaign.clone());
    }

    pub fn remove(&self, environment: &Environment, campaign: &Campaign) {
        environment.remove(campaign.number);
        let mut all = self.0.borrow_mut();
        if let Some(campaigns) = all.get_mut(&campaign.prefix) {
            campaigns.retain(|other| other.number != campaign.number);
            if campaigns.is_empty() {
                all.remove(&campaign.prefix);
            }
        }
    }
}
