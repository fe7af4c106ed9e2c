//! Wrong variants of the scripts, for the simulation and the model: what goes into the right register,
//! or comes out of it, is changed as the mistake would have it.

use std::sync::Arc;

use super::{Applied, Register, Server, Stored};
use crate::election::planted::Planted;
use crate::election::{Command, Failure, Message, Nonce, Outcome, Record, Token, Version};

/// What a script learns of its server.
pub fn server(run_id: &str, replid: &str) -> Server {
    let replid = match Planted::RunIdAlone.is_on() {
        true => "",
        false => replid,
    };
    Server::new(run_id, replid)
}

/// As [`Register::apply`], with the mistake that is planted, if one is.
pub fn apply(
    register: &mut Register,
    server: &Server,
    caller: &Arc<str>,
    command: &Command,
) -> Result<Applied, Failure> {
    let mut command = command.clone();
    let before = register.clone();
    change_data(register, server, &command);
    change_command(register, server, &mut command);
    let mut applied = register.apply(server, caller, &command)?;
    if Planted::RequestOfAnyTerm.is_on() {
        let asked = register.record.as_ref().and_then(|stored| stored.asked);
        applied.reply.asked = asked.is_some();
    }
    if Planted::RequestCounts.is_on()
        && applied.reply.outcome == Outcome::Asked
        && let Some(stored) = &mut register.record
    {
        stored.count(server, Nonce::new(7));
    }
    if Planted::UnreadableIsLost.is_on()
        && before.remains.is_some()
        && applied.reply.outcome == Outcome::Stale
    {
        applied.reply.outcome = Outcome::Lost;
    }
    if let (Some(message), Some(stored)) = (&mut applied.message, &mut register.record) {
        change_written(
            before.record.as_ref(),
            stored,
            &command,
            applied.reply.outcome,
        );
        message.record = stored.shown(server);
        applied.reply.record = Some(stored.shown(server));
    }
    let shown = applied.reply.record.as_mut();
    let told = applied
        .message
        .as_mut()
        .map(|Message { record, .. }| record);
    for Record { version, .. } in shown.into_iter().chain(told) {
        *version = without_a_part(version);
    }
    Ok(applied)
}

fn change_data(register: &mut Register, server: &Server, command: &Command) {
    let Some(stored) = &mut register.record else {
        return;
    };
    let any_incarnation = match command {
        Command::Acquire { identity, .. } => {
            Planted::LostReplyAnyIncarnation.is_on()
                && stored.holder == Some(*identity)
                && !stored.released
        }
        Command::Release { identity, .. } => {
            Planted::ReleaseAnyIncarnation.is_on() && stored.holder == Some(*identity)
        }
        _ => false,
    };
    if any_incarnation {
        stored.incarnation = server.incarnation().clone();
    }
}

fn change_command(register: &Register, server: &Server, command: &mut Command) {
    let Some(stored) = &register.record else {
        return;
    };
    let present = stored.version(server);
    let holds = !stored.released && stored.incarnation == *server.incarnation();
    let looks_the_same = |version: &Version| without_a_part(version) == without_a_part(&present);
    match command {
        Command::Acquire {
            identity, watched, ..
        } => {
            let mine = stored.holder == Some(*identity);
            let at_once = match stored.released {
                true => !mine && Planted::UntoldReleasedAtOnce.is_on(),
                false => mine && Planted::UntoldLostReplyGranted.is_on(),
            };
            if at_once && server.is_untold() {
                *watched = Some(present.clone());
            }
            if watched.as_ref().is_some_and(looks_the_same) {
                *watched = Some(present);
            }
        }
        Command::Renew {
            identity,
            token,
            over,
            ..
        } => {
            if Planted::ReassertBlindly.is_on() || over.as_ref().is_some_and(looks_the_same) {
                *over = Some(present);
            }
            if let Some(holder) = stored.holder.filter(|_| holds)
                && Planted::RenewAnyIdentity.is_on()
            {
                (*identity, *token) = (holder, stored.token);
            }
        }
        Command::Release { identity, .. } => {
            if let Some(holder) = stored.holder
                && Planted::ReleaseAnyIdentity.is_on()
            {
                *identity = holder;
            }
        }
        Command::Inspect | Command::AskToResign { .. } => {}
    }
}

fn change_written(
    before: Option<&Stored>,
    stored: &mut Stored,
    command: &Command,
    outcome: Outcome,
) {
    let Some(nonce) = nonce(command) else {
        return;
    };
    if before.is_none() && Planted::EpochFromCaller.is_on() {
        stored.epoch = nonce.bits();
        stored.nonce = stored.stamp(nonce);
    }
    if Planted::NonceOfCommand.is_on() {
        stored.nonce = nonce;
    }
    let last = before.map_or(Token::NONE, |before| before.token);
    if outcome == Outcome::Granted && stored.token != last && Planted::TokenFromOne.is_on() {
        stored.token = Token::new(last.get() + 1);
    }
    let same = before.is_some_and(|before| before.holder == stored.holder);
    if outcome == Outcome::Granted && same && Planted::UntoldLostReplyGranted.is_on() {
        stored.token = last;
    }
}

fn nonce(command: &Command) -> Option<Nonce> {
    match command {
        Command::Acquire { nonce, .. }
        | Command::Renew { nonce, .. }
        | Command::Release { nonce, .. } => Some(*nonce),
        Command::Inspect | Command::AskToResign { .. } => None,
    }
}

fn without_a_part(version: &Version) -> Version {
    let mut version = version.clone();
    if Planted::NoSeq.is_on() {
        version.seq = 0;
    }
    if Planted::NoEpoch.is_on() {
        version.epoch = 0;
    }
    if Planted::NoIncarnation.is_on() {
        version.incarnation = "".into();
    }
    version
}
