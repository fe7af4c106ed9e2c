use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// An encrypted socket. Whoever reads it also sends what was written and did not fit into the socket
/// below: a writer takes its bytes for sent, and comes back with the next ones only.
pub struct TlsSocket<S>(TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsSocket<S> {
    pub(super) fn new(stream: TlsStream<S>) -> Self {
        TlsSocket(stream)
    }

    /// What the server has said, where that tells more than a socket that takes nothing any more: it gives its
    /// reason, and closes.
    fn explained(&mut self, error: io::Error, context: &mut Context<'_>) -> io::Error {
        // What else it has said stays to be read.
        match Pin::new(&mut self.0).poll_fill_buf(context) {
            Poll::Ready(Err(reason)) if reason.get_ref().is_some() => reason,
            _ => error,
        }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TlsStream<S>> {
        Pin::new(&mut self.get_mut().0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.get_ref().1.wants_write() {
            // What was answered before is still to be read, also where nothing can be sent.
            let _ = self.as_mut().stream().poll_flush(context);
        }
        self.stream().poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().stream().poll_write(context, bytes);
        written.map_err(|error| self.explained(error, context))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().stream().poll_flush(context);
        flushed.map_err(|error| self.explained(error, context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
