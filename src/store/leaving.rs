use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;

pub(super) type Leaving = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// A socket that is closed for its reader when it is to be left. Whoever reads it needs no other way of
/// being told.
pub(super) struct LeavingSocket {
    pub socket: Socket,
    pub leaving: Leaving,
}

impl AsyncRead for LeavingSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.leaving.as_mut().poll(context).is_ready() {
            // For good: a future that is ready is not asked again.
            self.leaving = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.socket.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for LeavingSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.as_mut().poll_shutdown(context)
    }
}
