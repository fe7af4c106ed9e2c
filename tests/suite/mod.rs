//! What every store has to pass.

/// Makes a test of each case in each place that `Bench` has. In the older protocol no message comes, so the
/// cases that wait for one are not for there.
macro_rules! every_store_passes {
    ($($case:ident,)*; where messages come: $($told:ident,)*) => {
        passes!(in_memory: $($case,)* $($told,)*);
        passes!(on_redis: $($case,)* $($told,)*);
        passes!(on_redis_without_resp3: $($case,)*);
    };
}

macro_rules! passes {
    ($place:ident: $($case:ident,)*) => {
        mod $place {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Bench::$place(stringify!($case))).await;
            })*
        }
    };
}
