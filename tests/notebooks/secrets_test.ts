/**
 * A notebook that writes, presigns, transfers, diagnoses, logs and fails is executed in the real
 * kernel. None of its outputs, in any media type, holds a secret.
 */

import { assert, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { executeNotebook, notebookOf, python } from "./executed_notebook.ts";

const CANARIES = {
  accessKeyId: "AKIACANARYID43",
  secretAccessKey: "canary/secret+key/43",
  sessionToken: "canary-session-token-43",
};

/** A secret, and how it looks in URLs, JSON and base64. */
function spellings(secret: string): string[] {
  return [secret, encodeURIComponent(secret), btoa(secret), JSON.stringify(secret).slice(1, -1)];
}

/** The cells, which find their secrets in a file: the notebook's own text holds none. */
function cells(folder: string): Record<string, string> {
  return {
    "start": `
      import { configure, LocalS3, memory, metricsOf, S3Client } from "../mod.ts";
      const folder = ${JSON.stringify(folder)};
      const canaries = JSON.parse(Deno.readTextFileSync(folder + "/canaries.json"));
      const customerKey = crypto.getRandomValues(new Uint8Array(32));
      const s3 = await LocalS3.start();
      Deno.writeTextFileSync(folder + "/secrets.json", JSON.stringify([
        s3.credentials.secretAccessKey, customerKey.toBase64(), customerKey.toHex(),
      ]));
      const records = [];
      const client = s3.client({ logger: (record) => void records.push(record), logLevel: "trace" });
      const loud = s3.client({ logger: console, logLevel: "trace" });
      const stranger = s3.client({ credentials: canaries, logger: console, logLevel: "trace" });
      const nowhere = new S3Client({
        endpoint: "http://127.0.0.1:1", credentials: () => Promise.resolve(canaries), retries: 0,
        logger: console, logLevel: "trace",
      });
      await client.createBucket("bucket", { versioning: true });
      client`,
    "write": `
      const f = client.file("s3://bucket/a.txt", { customerKey });
      const stat = await f.write("hello", { metadata: { by: "test" } });
      console.log(f, stat, metricsOf(stat));
      stat`,
    "presign": `
      const url = await client.file("s3://bucket/a.txt").presign({ method: "PUT", expiresIn: 60 });
      console.log(url);
      await stranger.file("s3://bucket/a.txt").presign().then(() => "presigned")`,
    "upload": `
      Deno.mkdirSync(folder + "/up/deep", { recursive: true });
      Deno.writeTextFileSync(folder + "/up/a.txt", "hello");
      Deno.writeTextFileSync(folder + "/up/deep/b.txt", "b");
      const uploaded = await loud.upload(folder + "/up", "s3://bucket/up", {
        encryption: { customerKey },
      });
      console.log(uploaded);
      uploaded`,
    "sync": `
      const options = { customerKey, delete: true };
      const synced = await loud.sync("s3://bucket/up", "s3://bucket/copy", options);
      console.log(synced);
      await loud.sync("s3://bucket/up", folder + "/down", { ...options, dryRun: true })`,
    "failed-report": `
      const report = await client.download("s3://bucket/up", folder + "/down", {
        onError: "collect",
      });
      console.log(report, report.failures.map(({ error }) => error));
      report`,
    "diagnose": `
      const diagnoses = [];
      for (const one of [client, stranger, nowhere]) {
        diagnoses.push(await one.diagnose("s3://bucket/a.txt"));
      }
      console.log(diagnoses);
      diagnoses[1]`,
    "diagnose-nowhere": "diagnoses[2]",
    "errors": `
      const errors = [];
      const calls = (one) => [
        () => one.file("s3://bucket/a.txt").text(),
        () => one.file("s3://bucket/a.txt", { customerKey: crypto.getRandomValues(new Uint8Array(32)) }).text(),
        () => one.file("s3://bucket/x").write("x", { ifMatch: '"no"' }),
        () => one.file("s3://bucket/a.txt").copyTo("s3://bucket/b.txt"),
        () => one.deleteMany(["s3://bucket/a.txt", "s3://missing/b"]),
        () => one.upload(folder + "/up", "s3://missing/x"),
        () => one.sync("s3://bucket/up", "s3://bucket/elsewhere"),
        () => one.list("s3://missing/").toArray(),
        () => one.usage("s3://missing/"),
        () => one.file("s3://bucket/a.txt", { customerKey: customerKey.subarray(1) }),
        () => new S3Client({ credentials: { ...canaries, secretAccessKey: 7 } }),
        () => new S3Client({ endpoint: "http://" + canaries.accessKeyId + ":" + encodeURIComponent(canaries.secretAccessKey) + "@host" }),
      ];
      for (const one of [client, stranger, nowhere]) {
        for (const call of calls(one)) {
          try {
            await call();
          } catch (error) {
            errors.push(error);
            console.log(error);
          }
        }
      }
      console.log("errors:", errors.length);
      for (const error of errors) await Deno.jupyter.display(error);
      errors.at(0)`,
    "thrown": `await stranger.file("s3://bucket/a.txt").text()`,
    "thrown-transfer": `await stranger.sync(folder + "/up", "s3://bucket/mine")`,
    "rest": `
      console.log(await client.usage("s3://bucket/"), memory());
      console.log(await Array.fromAsync(client.file("s3://bucket/a.txt").versions()));
      console.log(await client.incompleteUploads("s3://bucket/").toArray(), s3, nowhere);
      client.list("s3://bucket/")`,
    "log": `
      console.log("records:", records.length);
      records`,
    "stop": `
      for (const one of [client, loud, stranger, nowhere]) one.dispose();
      await s3.stop();
      "stopped"`,
  };
}

it(
  "no output of an executed notebook holds a secret",
  { ignore: python === undefined },
  async () => {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    try {
      await Deno.writeTextFile(`${folder}/canaries.json`, JSON.stringify(CANARIES));
      const path = `${folder}/secrets.ipynb`;
      const throwing = ["thrown", "thrown-transfer"];
      await Deno.writeTextFile(path, notebookOf(cells(folder), throwing));
      const notebook = await executeNotebook(path);
      const { outputs } = notebook;

      // What there is to be seen was put out.
      assertStringIncludes(notebook.stdout("presign"), "X-Amz-Signature=");
      assertStringIncludes(notebook.displayed("upload", "text/html"), "upload");
      assertStringIncludes(notebook.displayed("diagnose", "text/plain"), "InvalidAccessKey");
      const [, errors] = /errors: (\d+)/.exec(notebook.stdout("errors")) ?? [];
      assert(Number(errors) > 25, `${errors} errors`);
      const [, records] = /records: (\d+)/.exec(notebook.stdout("log")) ?? [];
      assert(Number(records) > 50, `${records} records`);
      assertStringIncludes(outputs, "AccessDeniedError");

      const secrets: string[] = JSON.parse(await Deno.readTextFile(`${folder}/secrets.json`));
      // A presigned URL names its key's id, and nothing else does.
      for (const secret of [...secrets, ...Object.values(CANARIES)].flatMap(spellings)) {
        const at = outputs.indexOf(secret);
        const before = outputs.slice(Math.max(0, at - 200), at);
        assert(at === -1, `an output holds a secret: …${before}<here>`);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
