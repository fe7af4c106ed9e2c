//! Which arguments of a command are keys.
//!
//! Some servers refuse a script that uses a key which was not declared, and not all of them can be asked
//! what the keys of a command are. Those of a command that is not known here are not declared.

/// The places of the keys among the words of a command, its name first.
pub fn keys_of(command: &[Vec<u8>]) -> Vec<usize> {
    let Some(name) = command.first() else {
        return Vec::new();
    };
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let count = command.len();
    let is_in = |names: &str| names.split_whitespace().any(|one| one == name);
    let mut keys: Vec<usize> = if is_in(FIRST) {
        vec![1]
    } else if is_in(ALL) {
        (1..count).collect()
    } else if is_in(EVERY_OTHER) {
        (1..count).step_by(2).collect()
    } else if is_in(FIRST_TWO) {
        vec![1, 2]
    } else if is_in(SECOND) {
        vec![2]
    } else if name == "bitop" {
        (2..count).collect()
    } else if is_in(COUNTED_FIRST) {
        counted(command, 1)
    } else if is_in(COUNTED_SECOND) {
        counted(command, 2)
    } else if is_in(STORES_COUNTED) {
        let mut keys = counted(command, 2);
        keys.insert(0, 1);
        keys
    } else if is_in(STORES_LAST) {
        let stores = |word: &Vec<u8>| {
            word.eq_ignore_ascii_case(b"store") || word.eq_ignore_ascii_case(b"storedist")
        };
        let target = command.iter().skip(2).rposition(stores);
        [1].into_iter()
            .chain(target.map(|place| place + 3))
            .collect()
    } else if is_in(STREAMS) {
        let begin = command
            .iter()
            .position(|word| word.eq_ignore_ascii_case(b"streams"));
        begin.map_or_else(Vec::new, |begin| {
            (begin + 1..begin + 1 + (count - begin - 1) / 2).collect()
        })
    } else {
        Vec::new()
    };
    // A command that is too short the server refuses itself.
    keys.retain(|place| *place < count);
    keys
}

/// The keys behind their number.
fn counted(command: &[Vec<u8>], place: usize) -> Vec<usize> {
    let number = command
        .get(place)
        .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .unwrap_or(0_usize);
    let end = (place + 1).saturating_add(number).min(command.len());
    (place + 1..end).collect()
}

const FIRST: &str = "append bitcount bitfield bitfield_ro bitpos decr decrby dump expire expireat \
    expiretime geoadd geodist geohash geopos georadius_ro georadiusbymember_ro geosearch get getbit getdel \
    getex getrange getset hdel hexists hexpire hexpireat hexpiretime hget hgetall hgetdel hgetex hincrby \
    hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan hset \
    hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat lindex linsert llen lpop lpos lpush lpushx \
    lrange lrem lset ltrim move persist pexpire pexpireat pexpiretime pfadd psetex pttl restore rpop rpush \
    rpushx sadd scard set setbit setex setnx setrange sismember smembers smismember sort_ro spop spublish \
    srandmember srem sscan strlen substr ttl type xack xackdel xadd xautoclaim xclaim xdel xdelex xlen \
    xpending xrange xrevrange xsetid xtrim zadd zcard zcount zincrby zlexcount zmscore zpopmax zpopmin \
    zrandmember zrange zrangebylex zrangebyscore zrank zrem zremrangebylex zremrangebyrank \
    zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore";
const ALL: &str = "del exists mget pfcount pfmerge sdiff sdiffstore sinter sinterstore sunion \
    sunionstore touch unlink";
const EVERY_OTHER: &str = "mset msetnx";
const FIRST_TWO: &str = "copy geosearchstore lcs lmove rename renamenx rpoplpush smove zrangestore";
const SECOND: &str = "object xgroup xinfo";
/// `ZUNION 2 a b`
const COUNTED_FIRST: &str = "lmpop sintercard zdiff zinter zintercard zmpop zunion";
/// `BLMPOP 0 2 a b`
const COUNTED_SECOND: &str = "blmpop bzmpop";
/// `ZUNIONSTORE target 2 a b`
const STORES_COUNTED: &str = "zdiffstore zinterstore zunionstore";
/// `SORT a STORE target`
const STORES_LAST: &str = "georadius georadiusbymember sort";
/// `XREAD STREAMS a b 0 0`
const STREAMS: &str = "xread xreadgroup";
