//! A service for tarpc.

use tarpc::context::Context;

#[tarpc::service]
pub(crate) trait Kitchen {
    async fn cook(dish: String) -> String;
}

#[derive(Clone)]
pub(crate) struct Cook;

impl Kitchen for Cook {
    async fn cook(self, _: Context, dish: String) -> String {
        format!("{dish}: ready")
    }
}
