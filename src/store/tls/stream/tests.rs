use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// One end of a pipe that refuses what is written once it is told so.
struct Pipe(DuplexStream, Arc<AtomicBool>);

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.1.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A server that may ask for a client certificate, and a client that has none.
fn both(asks: bool) -> (TlsAcceptor, TlsConnector) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["redis.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let (provider, roots) = (Arc::new(default_provider()), Arc::new(roots));
    let clients = match asks {
        true => WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .unwrap(),
        false => WebPkiClientVerifier::no_client_auth(),
    };
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

fn name() -> ServerName<'static> {
    ServerName::try_from("redis.test").unwrap()
}

#[tokio::test]
async fn whoever_reads_sends_what_a_writer_has_left() {
    let (acceptor, connector) = both(false);
    let (near, far) = duplex(1024);
    let accepting = tokio::spawn(async move { acceptor.accept(far).await.unwrap() });
    let near = Pipe(near, Arc::default());
    let mut socket = TlsSocket::new(connector.connect(name(), near).await.unwrap());
    let mut server = accepting.await.unwrap();
    let written = socket.write(&[b'x'; 8000]).await.unwrap();
    // From here on nobody writes, as where a command is sent and its answer waited for.
    let (mut reading, _writing) = split(socket);
    let waiting = tokio::spawn(async move { reading.read_u8().await });
    let mut heard = vec![0; written];
    let heard = timeout(Duration::from_secs(10), server.read_exact(&mut heard));
    assert_eq!(heard.await.unwrap().unwrap(), written);
    server.write_u8(7).await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn a_write_that_fails_tells_what_the_server_has_said_before() {
    let (acceptor, connector) = both(true);
    let (near, far) = duplex(64 * 1024);
    let accepting = tokio::spawn(async move { acceptor.accept(far).await.map(drop) });
    let broken: Arc<AtomicBool> = Arc::default();
    let near = Pipe(near, broken.clone());
    // In TLS 1.3 the client is done before the server has looked at its certificate.
    let mut socket = TlsSocket::new(connector.connect(name(), near).await.unwrap());
    assert!(accepting.await.unwrap().is_err());
    broken.store(true, Ordering::Relaxed);
    let error = socket.write_all(b"HELLO").await.unwrap_err();
    let error = error
        .get_ref()
        .unwrap()
        .downcast_ref::<rustls::Error>()
        .unwrap();
    let required = rustls::AlertDescription::CertificateRequired;
    assert_eq!(error, &rustls::Error::AlertReceived(required));
}
