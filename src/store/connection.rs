use std::fmt;
use std::future::Future;

use futures_util::future::join5;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ProtocolVersion, PushKind, RedisConnectionInfo, RedisError, Value,
    cmd,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::RedisSource;
use super::error::{classify, io_error, refused_login, server_words};
use super::hello::{passes, wants_older_protocol};
use super::leaving::{Leaving, LeavingSocket};
use super::socket::{LentSocket, Progress, Socket, open_socket};
use crate::election::Failure;

/// A message of a channel, still as the server sent it.
#[derive(Debug)]
pub(super) struct Push {
    pub channel: Vec<u8>,
    pub payload: Vec<u8>,
}

/// A connection at its beginning: opened, logged in, and known to be a master. Dropping it closes the
/// socket.
pub(super) struct Connection {
    handle: MultiplexedConnection,
    /// Reads and writes the socket; ends when the server closes it.
    driver: JoinHandle<()>,
    /// The server pushes messages (RESP3).
    pub pushing: bool,
    /// The server is a node of a cluster.
    pub clustered: bool,
    pub role: Role,
    socket: LentSocket,
    /// When it is over, whatever it still answers.
    leaving: Option<Leaving>,
}

/// What a server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    Replica,
    Sentinel,
    /// It does not say, or not to everybody.
    Unknown,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// For a reason that says something about the server.
    Failed(Failure),
    /// It was cut short, or hung up on.
    BrokenOff(Failure),
}

impl Connection {
    /// Opens a connection to a master. Nobody waits for it past `deadline`.
    pub async fn open(
        source: &RedisSource,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Self, Unopened> {
        let connection = Self::open_any(source, deadline, progress).await?;
        let expected = connection.expect_master(source);
        expected.map(|()| connection).map_err(Unopened::Failed)
    }

    /// Opens a connection to whatever is there.
    ///
    /// A server that does not want our HELLO, and says so or hangs up, is asked in the older protocol;
    /// and one that hangs up then too, without all that can be done without.
    pub async fn open_any(
        source: &RedisSource,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Self, Unopened> {
        let (mut hangs_up, mut answers) = (false, false);
        for manner in [Manner::Newer, Manner::Older, Manner::Bare] {
            match log_in(source, deadline, progress, manner, hangs_up).await {
                Ok(connection) => return Ok(connection),
                Err(Setback::NotWanted) => answers = true,
                Err(Setback::HungUp { answered }) => {
                    hangs_up = true;
                    answers |= answered;
                }
                Err(Setback::Failed(failure)) => return Err(Unopened::Failed(failure)),
            }
        }
        let cause = match answers {
            true => "the server hangs up during the log-in",
            false => match &source.tls {
                None => "the server hangs up before it answers: does it want TLS?",
                Some(tls) => tls.wanted(),
            },
        };
        Err(Unopened::BrokenOff(unknown(cause)))
    }

    /// A replica shows an old state and refuses writes; a Sentinel holds no records at all.
    pub fn expect_master(&self, source: &RedisSource) -> Result<(), Failure> {
        let address = source.address();
        match self.role {
            Role::Master | Role::Unknown => Ok(()),
            Role::Replica => Err(Failure::Refused {
                cause: format!("the server is a replica ({address})").into(),
            }),
            Role::Sentinel => Err(Failure::Denied {
                cause: format!("the server is a Sentinel, which holds no data ({address})").into(),
            }),
        }
    }

    /// Asks one thing of it. An error that the server answered is an `Err` too.
    pub async fn ask(&self, command: Cmd) -> Result<Value, RedisError> {
        ask(self.handle.clone(), command).await
    }

    /// Its socket is closed, for who has it by then, when this has come to its end.
    pub fn leave_when(&mut self, leaving: impl Future<Output = ()> + Send + Sync + 'static) {
        self.leaving = Some(Box::pin(leaving));
    }

    /// The socket alone, logged in, for who speaks over it from then on.
    pub fn into_socket(mut self) -> Option<Socket> {
        self.driver.abort();
        let socket = self.socket.take_back()?;
        Some(match self.leaving.take() {
            Some(leaving) => Box::pin(LeavingSocket { socket, leaving }),
            None => socket,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("pushing", &self.pushing)
            .finish_non_exhaustive()
    }
}

/// How a connection is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// With a HELLO that asks for RESP3.
    Newer,
    /// In RESP2.
    Older,
    /// In RESP2 with the log-in and a PING: some proxies hang up at all other commands without a key.
    Bare,
}

/// Why a log-in in one manner came to nothing.
enum Setback {
    /// The server refuses the HELLO in words.
    NotWanted,
    HungUp {
        /// After it had answered something.
        answered: bool,
    },
    Failed(Failure),
}

async fn log_in(
    source: &RedisSource,
    deadline: Instant,
    progress: &Progress,
    manner: Manner,
    hangs_up: bool,
) -> Result<Connection, Setback> {
    let mut connection = greet(source, deadline, progress, manner == Manner::Newer).await?;
    let mut select = cmd("SELECT");
    select.arg(source.db);
    let mut set_name = cmd("CLIENT");
    set_name.arg("SETNAME").arg(client_name(source));
    let introduced = manner != Manner::Bare;
    let hello = introduced && !hangs_up;
    // Sent together, in this order; RESP3 has logged in already.
    let (auth, select, named, role, hello) = join5(
        ask_if(authentication(source, connection.pushing), &connection),
        ask_if((source.db != 0).then_some(select), &connection),
        ask_if(introduced.then_some(set_name), &connection),
        ask_if(
            Some(cmd(if introduced { "ROLE" } else { "PING" })),
            &connection,
        ),
        // Changes nothing without a version, and needs no permission; but it may be what was hung up at.
        ask_if(hello.then(|| cmd("HELLO")), &connection),
    )
    .await;
    let errors = [&auth, &select, &named, &role, &hello].map(|answer| answer.as_ref().err());
    let (hung_up, said): (Vec<_>, Vec<_>) = errors
        .into_iter()
        .flatten()
        .partition(|error| error.is_connection_dropped());
    let failed = Setback::Failed;
    // Some close the connection with a wrong password.
    if let Err(error) = &auth
        && !error.is_connection_dropped()
    {
        return Err(failed(refused_login(error)));
    }
    if !hung_up.is_empty() {
        // A server that has too many clients says so once, and closes.
        let last_words = said.iter().find(|error| passes(&server_words(error)));
        return Err(match last_words {
            Some(error) => failed(classify(error).failure),
            None => Setback::HungUp {
                answered: connection.pushing || !said.is_empty(),
            },
        });
    }
    select.map_err(|error| failed(refused_db(source.db, &error)))?;
    connection.role = role_of(role).map_err(failed)?;
    connection.clustered = hello.is_ok_and(|hello| is_clustered(&hello));
    Ok(connection)
}

/// Opens a socket, and greets the server where it is to push messages.
async fn greet(
    source: &RedisSource,
    deadline: Instant,
    progress: &Progress,
    pushing: bool,
) -> Result<Connection, Setback> {
    let socket = open_socket(source, deadline, progress).await;
    let socket = LentSocket::new(socket.map_err(Setback::Failed)?);
    let protocol = match pushing {
        true => ProtocolVersion::RESP3,
        false => ProtocolVersion::RESP2,
    };
    // What is not said here is sent by the caller, where its errors can be told apart.
    let mut info = RedisConnectionInfo::default()
        .set_protocol(protocol)
        .set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None);
    if pushing {
        if let Some(username) = &source.username {
            info = info.set_username(username);
        }
        if let Some(password) = &source.password {
            info = info.set_password(password);
        }
    }
    match MultiplexedConnection::new_with_config(&info, socket.clone(), config).await {
        Ok((handle, driver)) => Ok(Connection {
            handle,
            driver: tokio::spawn(driver),
            pushing,
            clustered: false,
            role: Role::Unknown,
            socket,
            leaving: None,
        }),
        Err(error) if error.is_connection_dropped() => Err(Setback::HungUp { answered: false }),
        Err(error) if wants_older_protocol(&error, source.password.is_some()) => {
            Err(Setback::NotWanted)
        }
        Err(error) => {
            let in_tls = in_tls(source, &error);
            Err(Setback::Failed(
                in_tls.unwrap_or_else(|| refused_login(&error)),
            ))
        }
    }
}

/// What an error means where it is one of TLS.
fn in_tls(source: &RedisSource, error: &RedisError) -> Option<Failure> {
    source.tls.as_ref()?.failure(io_error(error)?)
}

/// Sends one command. An error that the server answered is an `Err` too.
async fn ask(mut handle: MultiplexedConnection, command: Cmd) -> Result<Value, RedisError> {
    handle.send_packed_command(&command).await?.extract_error()
}

async fn ask_if(command: Option<Cmd>, connection: &Connection) -> Result<Value, RedisError> {
    match command {
        Some(command) => ask(connection.handle.clone(), command).await,
        None => Ok(Value::Okay),
    }
}

fn authentication(source: &RedisSource, logged_in: bool) -> Option<Cmd> {
    let password = source.password.as_ref().filter(|_| !logged_in)?;
    let mut auth = cmd("AUTH");
    if let Some(username) = &source.username {
        auth.arg(username);
    }
    auth.arg(password);
    Some(auth)
}

fn is_clustered(hello: &Value) -> bool {
    let clustered = |name: &Value, value: &Value| {
        let is = |of: &Value, text: &str| matches!(of, Value::BulkString(bytes) if bytes == text.as_bytes());
        is(name, "mode") && is(value, "cluster")
    };
    match hello {
        Value::Map(fields) => fields.iter().any(|(name, value)| clustered(name, value)),
        Value::Array(fields) => fields.chunks(2).any(|pair| match pair {
            [name, value] => clustered(name, value),
            _ => false,
        }),
        _ => false,
    }
}

fn client_name(source: &RedisSource) -> String {
    match &source.connection_name {
        Some(name) => format!("{name}:{CLIENT_NAME}"),
        None => CLIENT_NAME.into(),
    }
}

fn role_of(role: Result<Value, RedisError>) -> Result<Role, Failure> {
    match role {
        Ok(Value::Array(fields)) => Ok(match fields.first() {
            Some(Value::BulkString(role)) => match &role[..] {
                b"master" => Role::Master,
                b"slave" => Role::Replica,
                b"sentinel" => Role::Sentinel,
                _ => Role::Unknown,
            },
            _ => Role::Unknown,
        }),
        Ok(_) => Ok(Role::Unknown),
        Err(error) => match classify(&error) {
            verdict if matches!(verdict.failure, Failure::Unknown { .. }) => Err(verdict.failure),
            // A login that was refused has been told apart before.
            verdict if verdict.reconnect => Err(verdict.failure),
            // Not permitted: a replica then shows itself by READONLY.
            _ => Ok(Role::Unknown),
        },
    }
}

fn refused_db(db: u32, error: &RedisError) -> Failure {
    match refused_login(error) {
        Failure::Denied { cause } => Failure::Denied {
            cause: format!("db {db} is refused: {cause}").into(),
        },
        failure => failure,
    }
}

fn unknown(cause: &str) -> Failure {
    Failure::Unknown {
        cause: cause.into(),
    }
}

pub(super) fn message(kind: PushKind, data: Vec<Value>) -> Option<Push> {
    match (kind, <[Value; 2]>::try_from(data)) {
        (PushKind::Message, Ok([Value::BulkString(channel), Value::BulkString(payload)])) => {
            Some(Push { channel, payload })
        }
        _ => None,
    }
}

const CLIENT_NAME: &str = "primary-lease";
