use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::error::{no_connection, plain};
use super::{IpFamily, RedisSource};
use crate::election::Failure;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) type Socket = Pin<Box<dyn Stream>>;

/// A socket that can be taken back from those that were given a clone. Closed for them after that.
#[derive(Clone)]
pub(super) struct LentSocket(Arc<Mutex<Option<Socket>>>);

impl LentSocket {
    pub fn new(socket: Socket) -> Self {
        LentSocket(Arc::new(Mutex::new(Some(socket))))
    }

    pub fn take_back(&self) -> Option<Socket> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut dyn Stream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.lock() {
            Some(socket) => poll(socket.as_mut()),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for LentSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|socket| socket.poll_read(context, buffer))
    }
}

impl AsyncWrite for LentSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|socket| socket.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|socket| socket.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|socket| socket.poll_shutdown(context))
    }
}

/// Opens a socket, encrypted where the source says so, or says why there is none. Nobody waits for it
/// past `deadline`.
pub(super) async fn open_socket(
    source: &RedisSource,
    deadline: Instant,
    progress: &Progress,
) -> Result<Socket, Failure> {
    let socket = match &source.path {
        Some(path) => open_unix(path).await,
        None => open_tcp(source, deadline).await,
    };
    let socket = socket.map_err(|cause| Failure::Unknown {
        cause: cause.into(),
    })?;
    let Some(tls) = &source.tls else {
        return Ok(socket);
    };
    progress.set_greeting(true);
    // A Unix socket has no name of its own, and is on this host.
    let host = match source.path {
        Some(_) => "localhost",
        None => &source.host,
    };
    let encrypted = tls.encrypt(socket, host, &source.address()).await;
    progress.set_greeting(false);
    Ok(Box::pin(encrypted?))
}

/// How far an attempt to connect is, for whoever cuts it short.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicBool>);

impl Progress {
    /// TLS was greeted with, and nothing has come back.
    fn set_greeting(&self, greeting: bool) {
        self.0.store(greeting, Ordering::Relaxed);
    }

    /// Why there is no connection, for who has waited so long.
    pub fn cause(&self, waited: Duration, address: &str) -> Arc<str> {
        let waited_ms = waited.as_millis();
        match self.0.load(Ordering::Relaxed) {
            true => {
                format!("no answer in TLS within {waited_ms} ms: no TLS there? ({address})").into()
            }
            false => no_connection(waited, address),
        }
    }
}

#[cfg(unix)]
async fn open_unix(path: &std::path::Path) -> Result<Socket, String> {
    match tokio::net::UnixStream::connect(path).await {
        Ok(stream) => Ok(Box::pin(stream)),
        Err(error) => Err(format!("{} ({})", plain(&error), path.display())),
    }
}

#[cfg(not(unix))]
async fn open_unix(path: &std::path::Path) -> Result<Socket, String> {
    Err(format!(
        "there are no Unix sockets here ({})",
        path.display()
    ))
}

/// Every address of the host is tried in turn. Each gets its share of the time that is left, so
/// that one that swallows packets does not hide the next.
async fn open_tcp(source: &RedisSource, deadline: Instant) -> Result<Socket, String> {
    let addresses = resolve(source).await?;
    let name = source.address();
    let mut cause = format!("no address of the wanted family ({name})");
    for (index, address) in addresses.iter().enumerate() {
        let shown = match address.to_string() {
            shown if shown == name => name.clone(),
            shown => format!("{name} at {shown}"),
        };
        let connecting = TcpStream::connect(address);
        let connected = match u32::try_from(addresses.len() - index) {
            // A caller that asked for the socket waits no longer than that.
            Ok(1) | Err(_) => connecting.await,
            Ok(remaining) => {
                let share = deadline.saturating_duration_since(Instant::now()) / remaining;
                match timeout(share, connecting).await {
                    Ok(connected) => connected,
                    Err(_) => {
                        cause = format!("no connection within {} ms ({shown})", share.as_millis());
                        continue;
                    }
                }
            }
        };
        match connected {
            Ok(stream) => {
                tune(&stream);
                return Ok(Box::pin(stream));
            }
            Err(error) => cause = format!("{} ({shown})", plain(&error)),
        }
    }
    Err(cause)
}

async fn resolve(source: &RedisSource) -> Result<Vec<SocketAddr>, String> {
    let wanted = |address: &SocketAddr| match source.family {
        IpFamily::Any => true,
        IpFamily::V4 => address.is_ipv4(),
        IpFamily::V6 => address.is_ipv6(),
    };
    if let Ok(address) = source.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, source.port)]);
    }
    let found = tokio::net::lookup_host((source.host.as_str(), source.port)).await;
    let unresolved =
        |error: io::Error| format!("cannot resolve {}: {}", source.host, plain(&error));
    Ok(found.map_err(unresolved)?.filter(wanted).collect())
}

/// Without nodelay a command waits for the acknowledgement of the one before; without the others
/// an idle connection whose peer vanished would be noticed by the next command only. All of them
/// only help, so that a system that refuses one is not an error.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// On Linux it also decides how long unanswered keepalive probes are repeated.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(10);
