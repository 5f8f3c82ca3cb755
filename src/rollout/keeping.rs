//! What a rollout means for data that is on one node of the swarm.

use std::collections::BTreeMap;

use crate::{engine, owner::mounted};

use super::{
    live::Live,
    run::Rollout,
    state::data::{Brought, Known, Risk, has_local_volumes, risks},
    work::{Action, Work},
};

impl Rollout<'_> {
    /// Where the rollout, or swarm afterwards, could part services from their data;
    /// `recorded` are the nodes where volumes were seen. On a swarm of one node nothing more
    /// is asked.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn data_risks(
        &self,
        live: &Live,
        work: &Work,
        recorded: BTreeMap<String, String>,
    ) -> Result<Vec<Risk>, engine::Error> {
        let brought: Vec<Brought<'_>> = work
            .services
            .iter()
            .map(|service| Brought {
                key: &service.key,
                spec: &service.spec,
                anew: service.action != Action::Keep,
            })
            .collect();
        if !has_local_volumes(&brought, &live.volumes) {
            return Ok(Vec::new());
        }
        let nodes = self.engine.nodes().await?;
        if nodes.len() < 2 {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = live.services.values().filter_map(|it| it.id.clone()).collect();
        let tasks = self.engine.tasks_of(&ids).await?;
        let known = Known { recorded, mounted: mounted(&tasks) };
        Ok(risks(&brought, &nodes, &known, &live.volumes))
    }
}
