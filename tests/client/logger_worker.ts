// A Worker with a client and a logger of its own: it tells the paths that its logger was told of.

import { S3Client } from "../../mod.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = async ({ data: { options, uri } }) => {
  const paths = new Set<unknown>();
  using client = new S3Client({ ...options, logger: ({ fields }) => paths.add(fields["path"]) });
  for (let round = 0; round < 20; round++) await client.file(uri).text();
  scope.postMessage([...paths].filter((path) => path !== undefined));
};
