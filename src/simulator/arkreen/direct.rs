//! The strict endpoint without a socket, for tests of simulated weeks.

use hyper::http::Request;
use hyper::{Method, header};

use super::answer::{EndpointReply, answer};
use super::check::check;
use super::{EndpointBehaviour, EndpointState};
use crate::units::ClientId;

/// The endpoint that every call reaches at once.
#[derive(Debug)]
pub(crate) struct DirectEndpoint {
    state: EndpointState,
    token: String,
}

impl DirectEndpoint {
    pub(crate) fn new(token: &str, clients: impl IntoIterator<Item = ClientId>) -> Self {
        let clients = clients.into_iter().map(|client| (client, None)).collect();
        DirectEndpoint { state: EndpointState::new(token, clients), token: token.to_owned() }
    }

    /// Answers a call with this body: the status and the body of the answer.
    pub(crate) fn post(&mut self, body: &str, behaviour: EndpointBehaviour) -> (u16, Vec<u8>) {
        let authorization = format!("Bearer {}", self.token);
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, authorization);
        let (head, ()) = request.body(()).expect("a valid request").into_parts();
        let call = check(&mut self.state, &head, body.as_bytes());
        let reply = call.map_or_else(EndpointReply::invalid, |call| answer(&mut self.state, &call, behaviour));
        (reply.status, reply.body)
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.state.violations.iter().cloned().collect()
    }
}
