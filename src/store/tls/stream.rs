use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// An encrypted socket. Whoever reads it also sends what was written and did not fit into the socket
/// below: a writer takes its bytes for sent, and comes back with the next ones only.
pub struct TlsSocket<S>(TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsSocket<S> {
    pub(super) fn new(stream: TlsStream<S>) -> Self {
        TlsSocket(stream)
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
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
