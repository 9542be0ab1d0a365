/**
 * Downloads or uploads a tree with dipper, as a command line would: `trees_dipper.ts JOB`. Without a
 * job it only starts.
 */
import { S3Client } from "../../../mod.ts";
import type { Job } from "../../job.ts";

if (Deno.args[0] !== undefined) {
  const { case: what, endpoint, accessKeyId, secretAccessKey, bucket, key, directory }: Job = JSON
    .parse(Deno.args[0]);
  const credentials = { accessKeyId, secretAccessKey };
  using client = new S3Client({ endpoint, region: "us-east-1", credentials });
  const prefix = `s3://${bucket}/${key}`;
  if (what === "uploadTree") await client.upload(directory!, prefix);
  else await client.download(prefix, directory!);
}
