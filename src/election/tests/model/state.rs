use std::sync::Arc;

use super::Budget;
use super::client::{Client, Sent, WINDOW};
use crate::election::{Command, Outcome, Record, Token};
use crate::store::{Register, Server, mistaken};

/// Everything that a step may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    clients: Vec<Client>,
    register: Register,
    /// A replica's data, once a replica has fallen behind.
    replica: Option<Register>,
    /// The server's present life; a failover begins another.
    run: u8,
    commands: Vec<Sent>,
    replies: Vec<(Sent, Outcome, Option<Record>)>,
    budget: Budget,
    /// How often the record was created or granted: stands for the server's clock.
    clock: u64,
    /// The highest token granted, and whether it was released.
    granted: Token,
    released: bool,
}

type Step = (String, Result<State, String>);

impl State {
    pub fn new(clients: usize, budget: Budget) -> Self {
        State {
            clients: (0..clients as u8).map(Client::new).collect(),
            register: Register::default(),
            replica: None,
            run: 0,
            commands: Vec::new(),
            replies: Vec::new(),
            budget,
            clock: 0,
            granted: Token::NONE,
            released: false,
        }
    }

    /// One primary, whom all have seen: what takes many steps to get to and holds no surprise.
    pub fn elected(clients: usize, budget: Budget) -> Result<Self, String> {
        let mut state = State::new(clients, budget).asked(0)?;
        while state.clients[0].term.is_none() {
            state = state.ticked().asked(0)?;
        }
        for index in 1..clients {
            state = state.asked(index)?;
        }
        Ok(state)
    }

    /// Everything that may happen next.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = vec![("a tick".to_owned(), Ok(self.ticked()))];
        for index in 0..self.clients.len() {
            self.client_steps(index, &mut steps);
        }
        for at in 0..self.commands.len() {
            self.command_steps(at, &mut steps);
        }
        for at in 0..self.replies.len() {
            let mut next = self.clone();
            let (sent, outcome, record) = next.replies.remove(at);
            let step = format!("c{} hears {outcome:?}", sent.from);
            next.clients[usize::from(sent.from)].hear(&sent, outcome, record.as_ref());
            steps.push((step, next.judged()));
        }
        self.server_steps(&mut steps);
        steps
    }

    fn ticked(&self) -> State {
        let mut next = self.clone();
        for client in &mut next.clients {
            client.tick();
        }
        let replies = next.replies.iter_mut().map(|(sent, ..)| sent);
        for sent in next.commands.iter_mut().chain(replies) {
            sent.age = (sent.age + 1).min(WINDOW);
        }
        next
    }

    fn client_steps(&self, index: usize, steps: &mut Vec<Step>) {
        let term = self.clients[index].term.is_some();
        steps.push((format!("c{index} asks and is answered"), self.asked(index)));
        if self.budget.slow > 0 {
            let mut next = self.clone();
            next.budget.slow -= 1;
            let sent = next.clients[index].ask(self.clock);
            let step = format!("c{index} sends {:?}", sent.command);
            next.commands.push(sent);
            steps.push((step, Ok(next)));
        }
        if self.budget.resigns > 0 && term {
            let mut next = self.clone();
            next.budget.resigns -= 1;
            let release = next.clients[index].resign(self.clock);
            steps.push((
                format!("c{index} resigns and is answered"),
                next.clone().executed(release.clone()),
            ));
            if self.budget.slow > 0 {
                next.budget.slow -= 1;
                next.commands.push(release);
                steps.push((format!("c{index} resigns"), Ok(next)));
            }
        }
        if self.budget.crashes > 0 {
            let mut next = self.clone();
            next.budget.crashes -= 1;
            next.clients[index].crash();
            steps.push((format!("c{index} crashes and starts"), Ok(next)));
        }
    }

    /// A command is sent, done and answered before anything else happens.
    fn asked(&self, index: usize) -> Result<State, String> {
        let mut next = self.clone();
        let sent = next.clients[index].ask(self.clock);
        let mut next = next.executed(sent)?;
        if let Some((sent, outcome, record)) = next.replies.pop() {
            next.clients[index].hear(&sent, outcome, record.as_ref());
        }
        next.judged()
    }

    fn command_steps(&self, at: usize, steps: &mut Vec<Step>) {
        let name = |sent: &Sent| match &sent.command {
            Command::Acquire { .. } => format!("c{}'s acquire", sent.from),
            Command::Renew { .. } => format!("c{}'s renewal", sent.from),
            _ => format!("c{}'s release", sent.from),
        };
        let mut next = self.clone();
        let sent = next.commands.remove(at);
        steps.push((format!("{} is done", name(&sent)), next.executed(sent)));

        let mut next = self.clone();
        let sent = next.commands.remove(at);
        steps.push((format!("{} is lost", name(&sent)), Ok(next)));

        if self.budget.duplicates > 0 {
            let mut next = self.clone();
            next.budget.duplicates -= 1;
            let sent = next.commands[at].clone();
            let step = format!("{} is done, and will be again", name(&sent));
            steps.push((step, next.executed(sent)));
        }
    }

    fn server_steps(&self, steps: &mut Vec<Step>) {
        if self.budget.losses > 0 {
            let mut next = self.clone();
            next.budget.losses -= 1;
            next.register.lose();
            steps.push(("all data is lost".into(), Ok(next)));
        }
        if self.budget.failovers > 0 && self.replica.is_none() {
            let mut next = self.clone();
            next.replica = Some(self.register.clone());
            steps.push(("the replica falls behind from here".into(), Ok(next)));
        }
        if let Some(replica) = self.replica.clone().filter(|_| self.budget.failovers > 0) {
            let mut next = self.clone();
            next.budget.failovers -= 1;
            next.register = replica;
            next.run += 1;
            next.replica = None;
            steps.push(("the replica is promoted".into(), Ok(next)));
        }
    }

    fn server(&self) -> Server {
        let mut server = Server::new("a", &self.run.to_string());
        server.wall_micros = self.clock;
        server
    }

    /// A command is executed. The server's clock is later than at the last creation or grant.
    fn executed(mut self, sent: Sent) -> Result<State, String> {
        self.clock += 1;
        let server = self.server();
        let before = self.register.record(&server);
        let caller = Arc::from("");
        let applied = mistaken::apply(&mut self.register, &server, &caller, &sent.command)
            .map_err(|failure| format!("{failure:?}"))?;
        let reply = applied.reply;
        let created = before.is_none() && applied.message.is_some();
        let new_grant = reply.outcome == Outcome::Granted
            && before.map(|before| before.token) != reply.record.as_ref().map(|r| r.token);
        if !created && !new_grant {
            self.clock -= 1;
        }
        if let Some(message) = applied.message {
            self.judge_write(&sent, reply.outcome, new_grant, &message.record)?;
        }
        if !matches!(sent.command, Command::Release { .. }) {
            self.replies.push((sent, reply.outcome, reply.record));
        }
        self.judged()
    }

    /// R1, R2 and R8 at the register.
    fn judge_write(
        &mut self,
        sent: &Sent,
        outcome: Outcome,
        new_grant: bool,
        after: &Record,
    ) -> Result<(), String> {
        let believing = |client: &&Client| client.term.is_some();
        let holder = self.clients.iter().find(believing);
        if new_grant {
            if let Some(holder) = holder {
                return Err(format!("R1: the live term of c{} was taken", holder.index));
            }
            if after.token <= self.granted {
                return Err(format!("R2: {} after {}", after.token, self.granted));
            }
            self.granted = after.token;
            self.released = false;
            return Ok(());
        }
        match outcome {
            Outcome::Granted | Outcome::Renewed => {
                if after.token < self.granted || self.released {
                    return Err(format!("R8: token {} was revived", after.token));
                }
                if after.holder != Some(sent.identity) {
                    return Err("R8: a command extended another's grant".into());
                }
            }
            Outcome::Released => {
                let live = |client: &Client| {
                    client
                        .term
                        .as_ref()
                        .is_some_and(|term| term.token == after.token)
                };
                if self.clients.iter().any(live) {
                    return Err("R8: a live term was released".into());
                }
                self.released |= after.token == self.granted;
            }
            _ => {}
        }
        Ok(())
    }

    /// R1 and R3 among the clients: one believes at most, and it has the newest token.
    fn judged(self) -> Result<State, String> {
        let terms = self
            .clients
            .iter()
            .filter_map(|client| client.term.as_ref());
        let tokens: Vec<Token> = terms.map(|term| term.token).collect();
        match tokens[..] {
            [] => Ok(self),
            [token] if token == self.granted => Ok(self),
            [token] => Err(format!(
                "R3: {token} is believed, {} was granted",
                self.granted
            )),
            _ => Err(format!("R1: two primaries: {tokens:?}")),
        }
    }
}
