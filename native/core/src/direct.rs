//! One request to S3 over the data plane: signed, sent, and its failure understood.

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use dipper_wire::Head;

use crate::metrics::Meter;
use crate::plane::Answer as Reply;
use crate::request_body::RequestBody;
use crate::sdk_error::{About, Answered, action_of_request, message_of, region_in};
use crate::site::Site;
use crate::{Error, ObjectRef};

/// A request may go out twice more: to another region, with other credentials.
pub(crate) const DETOURS: u32 = 3;

/// A request about an object, or about its bucket.
pub(crate) struct DirectRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) bucket: &'a str,
    /// `None` for what concerns the bucket.
    pub(crate) key: Option<&'a str>,
    /// In the order of the names, which are plain.
    pub(crate) query: Vec<(&'a str, &'a str)>,
    /// Names in small letters.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: RequestBody,
    /// So many bytes of the answer's body may come along with its head.
    pub(crate) ahead: usize,
}

/// What came of a request.
pub(crate) enum Sent {
    /// An answer of success.
    Answer(Box<Head>, Reply),
    /// Something was learned from the answer: the same request may succeed now.
    Again,
}

impl<'a> DirectRequest<'a> {
    /// A request without a body about an object, or the version that is named.
    pub(crate) fn of(
        object: &'a ObjectRef,
        method: &'a str,
        headers: &'a [(&'a str, &'a str)],
    ) -> Self {
        let version = object.version_id.as_deref();
        Self {
            method,
            bucket: &object.bucket,
            key: Some(&object.key),
            query: version.map(|version| ("versionId", version)).into_iter().collect(),
            headers,
            body: RequestBody::default(),
            ahead: 0,
        }
    }

    /// Sends it. A failure is told; what a new region or new credentials can mend is learned.
    pub(crate) async fn send(
        &self,
        about: &About<'_>,
        site: &Site,
        meter: &Meter,
    ) -> Result<Sent, Error> {
        let client = about.client;
        let identity = match &about.connected.credentials {
            None => None,
            Some(cache) => {
                Some(cache.identity().await.map_err(|error| about.without_credentials(error))?)
            }
        };
        let mut request =
            site.request(self.method, self.key, &self.query, self.headers, identity.as_ref())?;
        request.body = self.body.clone();
        request.ahead = self.ahead;
        if matches!(self.method, "GET" | "HEAD") && self.key.is_some() {
            meter.request(true);
        } else {
            meter.write_request();
        }
        let stall = client.stall_timeout();
        let sent = client.pool().exchange(&site.host, &site.url, &request, stall, meter).await;
        let (head, reply) = sent.map_err(|error| about.of_exchange(error))?;
        if (200..300).contains(&head.status) {
            client.retry_budget().succeeded();
            return Ok(Sent::Answer(Box::new(head), reply));
        }
        let message = reply.message(stall).await;
        let (code, text) = message_of(&message);
        let mut answered = Answered::of(&head, head.status, code.clone(), text);
        answered.region = answered.region.or_else(|| region_in(&message));
        answered.action = action_of_request(self.method, self.key.is_some(), &self.query);
        // The session ended early: what the provider gives now may hold.
        if code.as_deref() == Some("ExpiredToken")
            && let Some(cache) = &about.connected.credentials
            && let Some(sent) = identity.as_ref().and_then(Identity::data::<Credentials>)
            && cache.forget(|known| known == sent.access_key_id())
        {
            meter.retry();
            return Ok(Sent::Again);
        }
        let moved = matches!(head.status, 301 | 307)
            || code.as_deref().is_some_and(|code| {
                matches!(code, "AuthorizationHeaderMalformed" | "PermanentRedirect")
            })
            || (head.status == 400 && self.method == "HEAD");
        if moved
            && let Some(region) = &answered.region
            && client.learn_region(self.bucket, region, &site.region)
        {
            meter.retry();
            return Ok(Sent::Again);
        }
        Err(about.of_answer(answered))
    }
}
