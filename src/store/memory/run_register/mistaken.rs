//! Wrong variants of the scripts of runs, for the simulation: what goes into the right register, or
//! comes out of it, is changed as the mistake would have it.

use std::time::Duration;

use super::{RunApplied, RunRegister, Stage};
use crate::election::planted::Planted;
use crate::election::run::{RunCommand, RunOutcome};
use crate::election::{Identity, Token};

/// As [`RunRegister::apply`], with the mistake that is planted, if one is.
pub fn apply(register: &mut RunRegister, now: u64, command: &RunCommand) -> RunApplied {
    let mut command = command.clone();
    register.expire(now);
    let before = register.clone();
    change_data(register, now, &command);
    change_command(register, &mut command);
    let applied = register.apply(now, &command);
    match command {
        RunCommand::Withdraw { .. }
            if Planted::WithdrawLeavesNoMark.is_on() && before.lease.is_none() =>
        {
            register.lease = None;
        }
        RunCommand::Acquire {
            tick: Some(tick), ..
        } if Planted::TickNotStored.is_on()
            && matches!(applied.outcome, RunOutcome::Granted { .. })
            && !before.ticks.contains_key(&tick.name) =>
        {
            register.ticks.remove(&tick.name);
        }
        _ => {}
    }
    applied
}

fn change_data(register: &mut RunRegister, now: u64, command: &RunCommand) {
    if Planted::StoredTimeBelieved.is_on() {
        for tick in register.ticks.values_mut() {
            tick.kept = EVER;
        }
        if let Some(lease) = &mut register.lease {
            lease.kept = EVER;
            if let Stage::Released { left, .. } = &mut lease.value.stage {
                *left = EVER;
            }
        }
    }
    let Some(lease) = &mut register.lease else {
        return;
    };
    let held = &mut lease.value;
    match (command, held.stage) {
        (RunCommand::Acquire { identity, .. }, Stage::Released { free_at, .. }) => {
            if held.identity == *identity && Planted::ReleasedGrantedAgain.is_on() {
                held.identity = SOMEBODY_ELSE;
            }
            if now >= free_at && Planted::TokenForgotten.is_on() {
                held.token = Token::NONE;
            }
        }
        (_, Stage::Released { .. }) => {}
        (
            RunCommand::Renew {
                identity, token, ..
            },
            _,
        ) if Planted::RenewAnyIdentity.is_on() => {
            (held.identity, held.token) = (*identity, *token);
        }
        (
            RunCommand::Release {
                identity, token, ..
            },
            _,
        ) if Planted::ReleaseAnyIdentity.is_on() => {
            (held.identity, held.token) = (*identity, *token);
        }
        _ => {}
    }
}

fn change_command(register: &RunRegister, command: &mut RunCommand) {
    match command {
        RunCommand::Acquire {
            identity,
            tick: Some(tick),
            ..
        } if Planted::TickRefusesItsTaker.is_on() => {
            let taken = register.ticks.get(&tick.name);
            if taken.is_some_and(|taken| taken.value == *identity) {
                *identity = SOMEBODY_ELSE;
            }
        }
        RunCommand::Release { min_hold, .. } if Planted::MinHoldIgnored.is_on() => {
            *min_hold = Duration::ZERO;
        }
        RunCommand::Withdraw { tick, .. } if Planted::WithdrawKeepsTick.is_on() => *tick = None,
        _ => {}
    }
}

const SOMEBODY_ELSE: Identity = Identity::new(0);
const EVER: Duration = Duration::from_secs(1 << 32);
