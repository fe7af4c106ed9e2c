//! A real Redis server of one test: `$REDIS_SERVER`, or what the PATH has. On a port that was free
//! a moment ago, with data of its own in a temporary directory; stopped when dropped.
#![allow(dead_code, reason = "each test crate uses its own part")]

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

pub struct RedisServer {
    child: Child,
    directory: PathBuf,
    arguments: Vec<String>,
    pub port: u16,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("primary-lease-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        // Another process may take the port in between: then another is tried.
        for _ in 0..20 {
            let port = free_port();
            if let Some(child) = spawn(port, &directory, &arguments) {
                return RedisServer {
                    child,
                    directory,
                    arguments,
                    port,
                };
            }
        }
        panic!("no redis-server could be started");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn socket_path(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    /// A connection of the test's own.
    pub fn connect(&self) -> redis::Connection {
        redis::Client::open(self.url())
            .and_then(|client| client.get_connection())
            .unwrap()
    }

    /// Stops it without saving anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, with what was saved.
    pub fn start_again(&mut self) {
        for _ in 0..100 {
            if let Some(child) = spawn(self.port, &self.directory, &self.arguments) {
                self.child = child;
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("redis-server could not be started again");
    }

    pub fn restart_with_data(&mut self) {
        redis::cmd("SAVE").exec(&mut self.connect()).unwrap();
        self.kill();
        self.start_again();
    }

    pub fn restart_empty(&mut self) {
        self.kill();
        let _ = fs::remove_file(self.directory.join("dump.rdb"));
        self.start_again();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(port: u16, directory: &Path, arguments: &[String]) -> Option<Child> {
    let mut child = command()
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--dir", &directory.display().to_string()])
        .args(["--save", "", "--appendonly", "no", "--databases", "16"])
        .args([
            "--unixsocket",
            &directory.join("redis.sock").display().to_string(),
        ])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server does not start: {error}"));
    // Until it says PONG, or that it wants a password.
    loop {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if answers(port) {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn command() -> Command {
    match std::env::var_os("REDIS_SERVER") {
        Some(path) => Command::new(path),
        None if in_path("redis-server") => Command::new("redis-server"),
        None => Command::new("valkey-server"),
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn answers(port: u16) -> bool {
    use io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let mut answer = [0; 5];
    let asked = stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .and_then(|()| stream.write_all(b"PING\r\n"))
        .and_then(|()| stream.read_exact(&mut answer));
    asked.is_ok() && (answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAU"))
}
