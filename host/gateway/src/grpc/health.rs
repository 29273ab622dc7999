//! The standard health service, `grpc.health.v1.Health`.

use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::methods::LISTED;
use crate::drain::Drain;

/// Tells how the services are: they serve until the gateway is being stopped.
#[derive(Debug, Clone)]
pub(super) struct HealthService {
    drain: Drain,
}

impl HealthService {
    pub(super) fn new(drain: Drain) -> HealthService {
        HealthService { drain }
    }

    fn known(&self) -> ServingStatus {
        if self.drain.is_stopping() {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        }
    }
}

/// Whether there is such a service. The empty name stands for the whole gateway.
fn is_known(service: &str) -> bool {
    service.is_empty() || LISTED.contains(&service)
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[async_trait]
impl Health for HealthService {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if is_known(&request.get_ref().service) {
            Ok(Response::new(response(self.known())))
        } else {
            Err(Status::not_found(
                "this gateway has no such service; server reflection lists the services that are \
                 there",
            ))
        }
    }

    /// Services never appear later. Watchers of an unknown one are told so once, and
    /// their call stays open until the gateway stops.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let is_known = is_known(&request.get_ref().service);
        let now = match is_known {
            true => self.known(),
            false => ServingStatus::ServiceUnknown,
        };
        let stopping = self.drain.stopping();
        let last = stream::once(stopping)
            .map(|()| ServingStatus::NotServing)
            // What was told already is not told again.
            .filter(move |last| std::future::ready(is_known && *last != now));
        let statuses = stream::once(std::future::ready(now)).chain(last);
        Ok(Response::new(
            statuses.map(|status| Ok(response(status))).boxed(),
        ))
    }
}
