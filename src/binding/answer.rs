//! What a caller's command returned, as JavaScript has it.

use napi::Env;
use napi::bindgen_prelude::{BigInt, BufferSlice, Null, Unknown};

use super::node::value;
use crate::store::CommandReply;

/// Read off the event loop as far as that is possible.
#[derive(Debug, PartialEq)]
pub enum Told {
    Nothing,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Told>),
}

impl From<CommandReply> for Told {
    /// Bytes that are text are a string, where one can be so long.
    fn from(answer: CommandReply) -> Self {
        match answer {
            CommandReply::Nothing => Told::Nothing,
            CommandReply::Integer(integer) => Told::Integer(integer),
            CommandReply::Bytes(bytes) if bytes.len() > LONGEST_TEXT => Told::Bytes(bytes),
            CommandReply::Bytes(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Told::Text(text),
                Err(error) => Told::Bytes(error.into_bytes()),
            },
            CommandReply::List(answers) => {
                Told::List(answers.into_iter().map(Told::from).collect())
            }
        }
    }
}

impl Told {
    pub fn into_js(self, env: &Env) -> napi::Result<Unknown<'static>> {
        match self {
            Told::Nothing => value(env, Null),
            Told::Integer(integer) if integer.unsigned_abs() <= LARGEST_NUMBER => {
                value(env, integer as f64)
            }
            Told::Integer(integer) => value(env, BigInt::from(integer)),
            Told::Text(text) => value(env, text),
            // A large one is handed over without a copy.
            Told::Bytes(bytes) if bytes.len() > SMALL => {
                value(env, BufferSlice::from_data(env, bytes)?)
            }
            Told::Bytes(bytes) => value(env, BufferSlice::copy_from(env, bytes)?),
            Told::List(list) => {
                let mut array = env.create_array(0)?;
                for told in list {
                    array.insert(told.into_js(env)?)?;
                }
                value(env, array)
            }
        }
    }
}

/// The largest integer that is a number in JavaScript: 2^53 - 1.
const LARGEST_NUMBER: u64 = (1 << 53) - 1;
/// The length of V8's longest string: 2^29 - 24.
const LONGEST_TEXT: usize = (1 << 29) - 24;
const SMALL: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_text_are_a_string_where_one_can_be_so_long() {
        assert_eq!(
            Told::from(CommandReply::Bytes(b"text".to_vec())),
            Told::Text("text".into())
        );
        assert_eq!(
            Told::from(CommandReply::Bytes(vec![0xff])),
            Told::Bytes(vec![0xff])
        );
        let long = Told::from(CommandReply::Bytes(vec![0; LONGEST_TEXT + 1]));
        assert!(matches!(long, Told::Bytes(bytes) if bytes.len() == LONGEST_TEXT + 1));
    }
}
