use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join5;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, Value, cmd,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::RedisSource;
use super::error::{classify, server_words};
use super::socket::{LentSocket, Socket, open_socket};
use crate::election::Failure;

/// A message of a channel, still as the server sent it.
#[derive(Debug)]
pub(super) struct Push {
    pub channel: Vec<u8>,
    pub payload: Vec<u8>,
}

/// One life of the connection: opened, logged in, and known to be a master. Dropping it closes the
/// socket, and every command that is still on its way fails.
pub(super) struct Connection {
    pub handle: MultiplexedConnection,
    /// Reads and writes the socket; ends when the server closes it.
    pub driver: JoinHandle<()>,
    pub pushes: mpsc::UnboundedReceiver<Push>,
    /// The server pushes messages (RESP3).
    pub pushing: bool,
    /// The server is a node of a cluster.
    pub clustered: bool,
    socket: LentSocket,
}

impl Connection {
    /// Opens a connection within `bound`.
    pub async fn open(source: &RedisSource, bound: Duration) -> Result<Self, Failure> {
        let deadline = Instant::now() + bound;
        match timeout_at(deadline, log_in(source, deadline)).await {
            Ok(result) => result.map_err(|failure| redact(failure, source)),
            Err(_) => Err(Failure::Unknown {
                cause: format!(
                    "no connection within {} ms ({})",
                    bound.as_millis(),
                    source.address()
                )
                .into(),
            }),
        }
    }

    /// The socket alone, logged in, for who speaks over it himself. Only before anything was asked.
    pub fn into_socket(self) -> Option<Socket> {
        self.driver.abort();
        self.socket.take_back()
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

async fn log_in(source: &RedisSource, deadline: Instant) -> Result<Connection, Failure> {
    let mut connection = match handshake(source, deadline, ProtocolVersion::RESP3).await? {
        Ok(connection) => connection,
        Err(error) if lacks_resp3(&error) => {
            let second = handshake(source, deadline, ProtocolVersion::RESP2).await?;
            second.map_err(|error| classify(&error).failure)?
        }
        Err(error) => return Err(refused_login(&error)),
    };
    let mut select = cmd("SELECT");
    select.arg(source.db);
    let mut set_name = cmd("CLIENT");
    set_name.arg("SETNAME").arg(client_name(source));
    // Sent together, in this order; RESP3 has logged in already.
    let (auth, select, _, role, hello) = join5(
        ask_if(authentication(source, connection.pushing), &connection),
        ask_if((source.db != 0).then_some(select), &connection),
        ask_if(Some(set_name), &connection),
        ask_if(Some(cmd("ROLE")), &connection),
        // Changes nothing without a version, and needs no permission.
        ask_if(Some(cmd("HELLO")), &connection),
    )
    .await;
    auth.map_err(|error| refused_login(&error))?;
    select.map_err(|error| denied_by_server(&format!("db {}", source.db), &error))?;
    check_role(role, source)?;
    connection.clustered = hello.is_ok_and(|hello| is_clustered(&hello));
    Ok(connection)
}

async fn handshake(
    source: &RedisSource,
    deadline: Instant,
    protocol: ProtocolVersion,
) -> Result<Result<Connection, RedisError>, Failure> {
    let socket = open_socket(source, deadline)
        .await
        .map_err(|cause| Failure::Unknown {
            cause: cause.into(),
        })?;
    let socket = LentSocket::new(socket);
    let pushing = protocol != ProtocolVersion::RESP2;
    // What is not said here is sent below, where its errors can be told apart.
    let mut info = RedisConnectionInfo::default()
        .set_protocol(protocol)
        .set_skip_set_lib_name();
    let mut config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(PIPELINE);
    let (push_sender, pushes) = mpsc::unbounded_channel();
    if pushing {
        if let Some(username) = &source.username {
            info = info.set_username(username);
        }
        if let Some(password) = &source.password {
            info = info.set_password(password);
        }
        // Runs inside the connection's own task: it may neither wait nor fail.
        config = config.set_push_sender(move |info: PushInfo| {
            if let Some(push) = message(info) {
                let _ = push_sender.send(push);
            }
            Ok::<(), ()>(())
        });
    }
    Ok(
        match MultiplexedConnection::new_with_config(&info, socket.clone(), config).await {
            Ok((handle, driver)) => Ok(Connection {
                handle,
                driver: tokio::spawn(driver),
                pushes,
                pushing,
                clustered: false,
                socket,
            }),
            Err(error) => Err(error),
        },
    )
}

/// Sends one command. An error that the server answered is an `Err` too.
pub(super) async fn ask(
    mut handle: MultiplexedConnection,
    command: Cmd,
) -> Result<Value, RedisError> {
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

/// A replica shows an old state and refuses writes; a Sentinel holds no records at all.
fn check_role(role: Result<Value, RedisError>, source: &RedisSource) -> Result<(), Failure> {
    let role = match role {
        Ok(Value::Array(fields)) => match fields.first() {
            Some(Value::BulkString(role)) => String::from_utf8_lossy(role).into_owned(),
            _ => return Ok(()),
        },
        Ok(_) => return Ok(()),
        Err(error) => {
            return match classify(&error) {
                verdict if matches!(verdict.failure, Failure::Unknown { .. }) => {
                    Err(verdict.failure)
                }
                // A login that was refused has been told apart before.
                verdict if verdict.reconnect => Err(verdict.failure),
                // Not permitted: a replica then shows itself by READONLY.
                _ => Ok(()),
            };
        }
    };
    let address = source.address();
    match role.as_str() {
        "slave" => Err(Failure::Refused {
            cause: format!("the server is a replica ({address})").into(),
        }),
        "sentinel" => Err(Failure::Denied {
            cause: format!("the server is a Sentinel, which holds no data ({address})").into(),
        }),
        _ => Ok(()),
    }
}

fn lacks_resp3(error: &RedisError) -> bool {
    let words = server_words(error);
    error.kind() == ErrorKind::RESP3NotSupported
        || words.starts_with("NOPROTO")
        || words.starts_with("ERR unknown command")
}

/// The credentials are wrong, unless the error is one of those that pass.
fn refused_login(error: &RedisError) -> Failure {
    match classify(error).failure {
        Failure::Refused { cause } if cause.starts_with("ERR AUTH") => Failure::Denied { cause },
        failure => failure,
    }
}

fn denied_by_server(what: &str, error: &RedisError) -> Failure {
    match classify(error).failure {
        Failure::Refused { cause } | Failure::Denied { cause } => Failure::Denied {
            cause: format!("{what} is refused: {cause}").into(),
        },
        unknown => unknown,
    }
}

/// The last guard: whatever a server repeats, the password is not passed on.
fn redact(failure: Failure, source: &RedisSource) -> Failure {
    let clean = |cause: Arc<str>| match &source.password {
        Some(password) if cause.contains(password.as_str()) => {
            Arc::from(cause.replace(password.as_str(), "***"))
        }
        _ => cause,
    };
    match failure {
        Failure::Unknown { cause } => Failure::Unknown {
            cause: clean(cause),
        },
        Failure::Refused { cause } => Failure::Refused {
            cause: clean(cause),
        },
        Failure::Denied { cause } => Failure::Denied {
            cause: clean(cause),
        },
    }
}

fn message(info: PushInfo) -> Option<Push> {
    match (info.kind, <[Value; 2]>::try_from(info.data)) {
        (PushKind::Message, Ok([Value::BulkString(channel), Value::BulkString(payload)])) => {
            Some(Push { channel, payload })
        }
        _ => None,
    }
}

const CLIENT_NAME: &str = "primary-lease";
/// Commands that wait for the socket to take them; more than one process ever has on its way.
const PIPELINE: usize = 1024;
