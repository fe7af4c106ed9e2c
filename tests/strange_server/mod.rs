//! A tiny server that answers each command as a test wants it: for proxies, servers of other kinds
//! and servers in trouble that are not to be had here.
#![allow(dead_code, reason = "each test crate uses its own part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct StrangeServer {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// One command, its name in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of which connection, from 1 on.
    pub connection: usize,
    pub words: Vec<String>,
}

impl Heard {
    pub fn name(&self) -> &str {
        &self.words[0]
    }
}

/// What becomes of a command.
pub enum Said {
    /// Sent as it is.
    Raw(&'static [u8]),
    Bytes(Vec<u8>),
    /// The first once, and then the second again and again.
    Flood(Vec<u8>, Vec<u8>),
    Error(String),
    /// The connection is closed without a word.
    HangUp,
    /// These bytes, and then the connection is closed.
    Last(Vec<u8>),
    Nothing,
    /// What a Redis would answer that knows no record.
    Redis,
    /// The same after so long, and nothing behind it earlier.
    Late(Duration),
}

impl StrangeServer {
    pub async fn start(answer: impl Fn(&Heard) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = StrangeServer {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            heard: Arc::default(),
        };
        let (connections, heard) = (server.connections.clone(), server.heard.clone());
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let (answer, heard) = (answer.clone(), heard.clone());
                tokio::spawn(async move {
                    // The client may leave at any time.
                    let _ = serve(stream, connection, &*answer, &heard).await;
                });
            }
        });
        server
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    answer: &(impl Fn(&Heard) -> Said + ?Sized),
    heard: &Mutex<Vec<Heard>>,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        while let Some((words, length)) = parse(&buffer) {
            buffer.drain(..length);
            let command = Heard { connection, words };
            heard.lock().unwrap().push(command.clone());
            match answer(&command) {
                Said::Raw(bytes) => stream.write_all(bytes).await?,
                Said::Bytes(bytes) => stream.write_all(&bytes).await?,
                Said::Flood(first, again) => {
                    stream.write_all(&first).await?;
                    loop {
                        stream.write_all(&again).await?;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                Said::Error(words) => stream.write_all(format!("-{words}\r\n").as_bytes()).await?,
                Said::Last(bytes) => {
                    stream.write_all(&bytes).await?;
                    return stream.shutdown().await;
                }
                Said::HangUp => return Ok(()),
                Said::Nothing => {}
                Said::Redis => stream.write_all(redis(&command)).await?,
                Said::Late(after) => {
                    tokio::time::sleep(after).await;
                    stream.write_all(redis(&command)).await?;
                }
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

fn redis(command: &Heard) -> &'static [u8] {
    match command.name() {
        "HELLO" if command.words.len() > 1 => b"%1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n",
        "HELLO" => b"*2\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n",
        "ROLE" => b"*1\r\n$6\r\nmaster\r\n",
        "EVAL" | "EVALSHA" if command.words[3].contains("lease:{") => b":1\r\n",
        "EVAL" | "EVALSHA" => b"*2\r\n$4\r\nseen\r\n$2\r\n-1\r\n",
        _ => b"+OK\r\n",
    }
}

/// The first command in the buffer, once it is there in full, and its length.
fn parse(buffer: &[u8]) -> Option<(Vec<String>, usize)> {
    let (count, mut at) = number(buffer, 0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, start) = number(buffer, at)?;
        at = start + length + 2;
        let word = buffer.get(start..at)?;
        words.push(String::from_utf8_lossy(&word[..length]).into_owned());
    }
    words[0].make_ascii_uppercase();
    Some((words, at))
}

/// The number of a line like `*3`, and where the next line begins.
fn number(buffer: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = buffer.get(from..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let number = std::str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
    Some((number, from + end + 2))
}
