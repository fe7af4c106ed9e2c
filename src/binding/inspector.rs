//! Whether somebody may be debugging: at a breakpoint the event loop stands still on purpose.

use napi::Env;

use super::js::{self, Kind};

/// Whether Node's inspector is open, which it has to be before anybody attaches. Nothing tells from
/// here whether somebody has.
pub fn is_open(env: &Env) -> bool {
    // What cannot be read is not there.
    has_address(env).unwrap_or(false) || was_asked_for(env).unwrap_or(false)
}

fn has_address(env: &Env) -> js::Result<bool> {
    let process = js::global(env, "process")?;
    if !js::is_function(js::get(env, process, "getBuiltinModule")?) {
        return Ok(false);
    }
    let name = js::make(env, "node:inspector")?;
    let inspector = js::invoke(env, process, "getBuiltinModule", &[name])?;
    let address = js::invoke(env, inspector, "url", &[])?;
    Ok(matches!(js::kind(address)?, Kind::Text(_)))
}

/// A worker is not told the address of the process's inspector, but finds the switch that opened it.
fn was_asked_for(env: &Env) -> js::Result<bool> {
    let process = js::global(env, "process")?;
    let options = js::get(env, js::get(env, process, "env")?, "NODE_OPTIONS")?;
    let switches: Vec<String> = js::read(js::get(env, process, "execArgv")?)?;
    let in_environment = match js::kind(options)? {
        Kind::Text(options) => options.contains(SWITCH),
        _ => false,
    };
    Ok(in_environment || switches.iter().any(|given| given.starts_with(SWITCH)))
}

/// `--inspect-brk`, `--inspect-wait` and `--inspect=port` begin with it too.
const SWITCH: &str = "--inspect";
