/**
 * The services that give credentials, as far as the SDK asks them: an instance's metadata, a
 * container's endpoint, the security token service, single sign-on. Each gives keys whose id says
 * where they come from, and keeps what it was asked.
 */

import { type Asked, type Reply, ScriptedServer } from "../storage/scripted_server.ts";

/** A secret that must not be seen anywhere. */
export const SECRET = "canary-secret-of-a-service";
/** A session token that must not be seen anywhere. */
export const TOKEN = "canary-token-of-a-service";

/** When the keys of a service end. */
export function end(milliseconds = 3_600_000): Date {
  return new Date(Date.now() + milliseconds);
}

/** Answers with JSON. */
export function json(reply: Reply, value: unknown, status = 200): Promise<void> {
  return reply.answer(status, { "content-type": "application/json" }, JSON.stringify(value));
}

/** Keys as a container and an instance give them. */
export function keys(id: string, expires = end()): Record<string, string> {
  return {
    Code: "Success",
    LastUpdated: new Date().toISOString(),
    Type: "AWS-HMAC",
    AccessKeyId: id,
    SecretAccessKey: SECRET,
    Token: TOKEN,
    Expiration: expires.toISOString(),
  };
}

/** The access key id that a request was signed with. */
export function signer(asked: Asked): string | undefined {
  return /Credential=([^/]+)\//.exec(asked.headers.get("authorization") ?? "")?.[1];
}

/** An S3 server that takes one access key id and no other. */
export function storeFor(id: string): Promise<ScriptedServer> {
  return ScriptedServer.start(async (asked, reply) => {
    const headers = { etag: '"x"', "x-amz-request-id": "SCRIPTED" };
    if (signer(asked) === id) await reply.answer(200, headers, "content");
    else {
      const body = `<Error><Code>InvalidAccessKeyId</Code><Message>not ${id}</Message></Error>`;
      await reply.answer(403, headers, body);
    }
  });
}

/** An instance's metadata service, version 2: without a token it tells nothing. */
export function metadataService(id: string): Promise<ScriptedServer> {
  const token = "canary-metadata-token";
  return ScriptedServer.start(async (asked, reply) => {
    if (asked.method === "PUT" && asked.path === "/latest/api/token") {
      const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "21600" };
      await reply.answer(200, ttl, token);
    } else if (asked.headers.get("x-aws-ec2-metadata-token") !== token) {
      await reply.answer(401, {}, "");
    } else if (asked.path === "/latest/meta-data/iam/security-credentials/") {
      await reply.answer(200, {}, "the-role");
    } else if (asked.path === "/latest/meta-data/iam/security-credentials/the-role") {
      await json(reply, keys(id));
    } else await reply.answer(404, {}, "");
  });
}

/** What the security token service was asked, by name. */
export function form(asked: Asked): URLSearchParams {
  return new URLSearchParams(new TextDecoder().decode(asked.body));
}

/** The security token service. Each session gets the id `PREFIX` and its number. */
export async function tokenService(
  prefix: string,
  refuse?: (asked: Asked) => { code: string; message: string } | undefined,
): Promise<ScriptedServer> {
  let sessions = 0;
  return await ScriptedServer.start(async (asked, reply) => {
    const headers = { "content-type": "text/xml", "x-amzn-requestid": "STS1" };
    const action = form(asked).get("Action") ?? "";
    const refused = refuse?.(asked);
    if (refused !== undefined) {
      const { code, message } = refused;
      const error =
        `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
      await reply.answer(403, headers, `<ErrorResponse>${error}</ErrorResponse>`);
      return;
    }
    const result = action === "GetCallerIdentity"
      ? `<Arn>arn:aws:sts::123456789012:assumed-role/reader/test</Arn>
         <UserId>AROAEXAMPLE:test</UserId><Account>123456789012</Account>`
      : `<AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:test</AssumedRoleId>
           <Arn>arn:aws:sts::123456789012:assumed-role/reader/test</Arn></AssumedRoleUser>
         <Credentials><AccessKeyId>${prefix}${sessions++}</AccessKeyId>
           <SecretAccessKey>${SECRET}</SecretAccessKey><SessionToken>${TOKEN}</SessionToken>
           <Expiration>${end().toISOString()}</Expiration></Credentials>`;
    await reply.answer(
      200,
      headers,
      `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <${action}Result>${result}</${action}Result>
        <ResponseMetadata><RequestId>STS1</RequestId></ResponseMetadata>
      </${action}Response>`,
    );
  });
}

/** The file in which a session of single sign-on keeps its token. */
export async function tokenFile(session: string): Promise<string> {
  const sum = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(session));
  return `${new Uint8Array(sum).toHex()}.json`;
}

/** The portal of single sign-on: gives keys to who shows the right token. */
export function portal(id: string, token: () => string): Promise<ScriptedServer> {
  return ScriptedServer.start(async (asked, reply) => {
    if (asked.headers.get("x-amz-sso_bearer_token") !== token()) {
      const body = { message: "Session token not found or invalid" };
      await reply.answer(
        401,
        { "content-type": "application/json", "x-amzn-errortype": "UnauthorizedException" },
        JSON.stringify(body),
      );
      return;
    }
    await json(reply, {
      roleCredentials: {
        accessKeyId: id,
        secretAccessKey: SECRET,
        sessionToken: TOKEN,
        expiration: end().getTime(),
      },
    });
  });
}
