//! Names of products that left the menu: the catalogue in memory no longer holds them, their rows
//! are kept.

use std::collections::HashMap;
use std::time::Duration;

use database::schema::products;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop::ProductId;

use crate::reference_data::Snapshot;
use crate::state::AppState;

/// Names by product. A product whose name is not known is missing: it was never sold here, or the
/// database does not answer.
#[derive(Default)]
pub(super) struct FormerNames(HashMap<i64, String>);

/// How long a page waits for names; it says what happened without them as well.
const PATIENCE: Duration = Duration::from_millis(300);

impl FormerNames {
    /// The names of those of `ids` that are not in the catalogue. Asks the database only when there
    /// are any.
    pub(super) async fn read(
        state: &AppState,
        snapshot: &Snapshot,
        ids: impl IntoIterator<Item = ProductId>,
    ) -> FormerNames {
        let ids: Vec<i64> = ids
            .into_iter()
            .filter(|id| snapshot.catalogue.product(*id).is_none())
            .map(|id| id.number())
            .collect();
        if ids.is_empty() {
            return FormerNames::default();
        }
        let read = async |connection: &mut _| {
            products::table
                .filter(products::id.eq_any(&ids))
                .select((products::id, products::name))
                .load::<(i64, String)>(connection)
                .await
        };
        match tokio::time::timeout(PATIENCE, state.read("SELECT former products", read)).await {
            Ok(Ok(names)) => FormerNames(names.into_iter().collect()),
            Ok(Err(_)) | Err(_) => FormerNames::default(),
        }
    }

    pub(super) fn name(&self, id: ProductId) -> Option<&str> {
        self.0.get(&id.number()).map(String::as_str)
    }
}
