//! A managed service, as its documents describe it: a real Redis behind a proxy that refuses what the
//! service refuses, outside of scripts and within them.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::parse;

/// What a service is known to refuse.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    pub name: &'static str,
    /// Lua that answers INFO within a script: of `section`, an error table or a text.
    pub info: &'static str,
    /// It refuses keys that a script has not declared.
    pub declared_keys: bool,
    /// Commands that it does not have, and in which words.
    pub refused: &'static [&'static str],
    pub words: &'static str,
}

/// The proxy in front of the Redis at this port; its own port.
pub async fn serve(service: Service, redis: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let prefix: Arc<str> = prefix(&service).into();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let prefix = prefix.clone();
            tokio::spawn(async move {
                let upstream = TcpStream::connect(("127.0.0.1", redis)).await?;
                relay(client, upstream, &service, &prefix).await
            });
        }
    });
    port
}

async fn relay(
    mut client: TcpStream,
    mut upstream: TcpStream,
    service: &Service,
    prefix: &str,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    loop {
        while let Some((mut words, length)) = parse(&asked) {
            asked.drain(..length);
            let answer = match words[0].as_str() {
                "EVALSHA" => "-NOSCRIPT No matching script.\r\n".to_owned(),
                name if service.refused.contains(&name) => format!("-{}\r\n", service.words),
                name => {
                    if name == "EVAL" {
                        words[1].insert_str(0, prefix);
                    }
                    upstream.write_all(packed(&words).as_bytes()).await?;
                    reply(&mut upstream, &mut answered).await?
                }
            };
            client.write_all(answer.as_bytes()).await?;
        }
        if client.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
}

/// Stands before the first line of a script, in the same line.
fn prefix(service: &Service) -> String {
    let keys = match service.declared_keys {
        true => {
            "local declared = {} for _, key in ipairs(KEYS) do declared[key] = true end \
             if key and name ~= 'PUBLISH' and not declared[key] then \
             return {err = 'ERR script tried accessing undeclared key'} end"
        }
        false => "",
    };
    format!(
        "local real, pcall_ = redis, redis.pcall \
         local function instead(name, key, ...) \
         if name == 'INFO' then local section = key {info} end \
         if name == 'TIME' then return pcall_(name) end {keys} \
         return pcall_(name, key, ...) end \
         local redis = {{pcall = instead, call = instead, sha1hex = real.sha1hex}} ",
        info = service.info,
    )
}

fn packed(words: &[String]) -> String {
    let mut packed = format!("*{}\r\n", words.len());
    for word in words {
        packed += &format!("${}\r\n{word}\r\n", word.len());
    }
    packed
}

/// The next answer, in the older protocol.
async fn reply(upstream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<String> {
    loop {
        if let Some(length) = length_of(buffer, 0) {
            let answer: Vec<u8> = buffer.drain(..length).collect();
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
        if upstream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Where the answer that begins at `from` ends, once it is there in full.
fn length_of(buffer: &[u8], from: usize) -> Option<usize> {
    let rest = buffer.get(from..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&rest[1..end]).ok()?;
    let next = from + end + 2;
    match rest[0] {
        b'$' => match line.parse::<i64>().ok()? {
            -1 => Some(next),
            length => {
                let end = next + usize::try_from(length).ok()? + 2;
                (buffer.len() >= end).then_some(end)
            }
        },
        b'*' => (0..line.parse::<i64>().ok()?).try_fold(next, |at, _| length_of(buffer, at)),
        _ => Some(next),
    }
}
