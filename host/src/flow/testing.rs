//! Flows of functions, for tests of what runs a flow and of what serves one.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Failure, Flow, Graph, Handler, Stage};
use crate::document::DocumentArray;
use crate::executor::{Call, Reply};

type Function = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// A stage of functions by endpoint.
#[derive(Clone, Default)]
pub(crate) struct Functions(HashMap<String, Function>);

impl Functions {
    pub(crate) fn on<F>(
        mut self,
        endpoint: &str,
        function: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Functions
    where
        F: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        self.0.insert(
            endpoint.to_owned(),
            Arc::new(move |call| Box::pin(function(call))),
        );
        self
    }
}

impl Stage for Functions {
    fn bind<'a>(&'a self, endpoint: &str) -> Option<Handler<'a>> {
        let function = self.0.get(endpoint).or_else(|| self.0.get("/default"))?;
        Some(Box::new(|call| function(call)))
    }

    fn endpoints(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A flow of stages that each take their documents from the ones given by
/// index, or from the gateway where there is none.
pub(crate) fn flow<const N: usize>(stages: [(&str, &[usize], Functions); N]) -> Flow {
    let graph = Graph::new(stages.iter().map(|(name, needs, _)| {
        let needs: Vec<_> = needs.iter().copied().map(Some).collect();
        (*name, needs)
    }))
    .unwrap();
    let stages = stages
        .into_iter()
        .map(|(_, _, stage)| Arc::new(stage) as Arc<dyn Stage>)
        .collect();
    Flow::new("test", graph, stages).unwrap()
}

/// A reply with these documents.
pub(crate) fn reply(docs: DocumentArray) -> Result<Reply, Failure> {
    Ok(Reply {
        docs,
        results: None,
        replica: 0,
    })
}

/// A reply with the documents that came and these results.
pub(crate) fn results(call: Call, results: Value, replica: u32) -> Result<Reply, Failure> {
    let Value::Object(results) = results else {
        panic!("results are an object")
    };
    Ok(Reply {
        docs: call.docs,
        results: Some(results),
        replica,
    })
}

/// The documents' texts with something added to each.
pub(crate) fn suffixed(docs: &DocumentArray, suffix: &str) -> DocumentArray {
    DocumentArray::from_texts(docs.texts().map(|text| format!("{text}{suffix}")))
}

pub(crate) fn failure(name: &str) -> Failure {
    Failure {
        name: name.to_owned(),
        description: format!("{name}('why')"),
        args: vec!["why".to_owned()],
        stacks: vec!["line".to_owned()],
        executor: "Class".to_owned(),
    }
}

pub(crate) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}
