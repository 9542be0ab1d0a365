/**
 * Uploads an object whose second part never gets an answer, as a Worker or as a program. A program
 * ends in the middle of it, in the way that it is told.
 */
import { RustBuffer, S3Client } from "dipper";

interface Task {
  endpoint: string;
  uri: `s3://${string}`;
  how?: "exit" | "throw" | "kill" | "return";
  /** Through a stream that is never closed. */
  writer?: boolean;
}

function start({ endpoint, uri, writer }: Task): Promise<unknown> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: "secret" },
  });
  const partSize = 5 * 1024 * 1024;
  if (writer) {
    const stream = client.file(uri).writer({ partSize }).getWriter();
    return stream.write(new Uint8Array(4 * partSize));
  }
  return client.file(uri).write(new RustBuffer(4 * partSize), { partSize });
}

const task = Deno.args[0];
if (task === undefined) {
  const worker = self as unknown as { onmessage: (event: MessageEvent<Task>) => void };
  worker.onmessage = ({ data }) => void start(data);
} else {
  const told: Task = JSON.parse(task);
  const writing = start(told);
  // By then all parts but the second are on the server.
  setTimeout(() => {
    if (told.how === "exit") Deno.exit(7);
    if (told.how === "kill") Deno.kill(Deno.pid, "SIGKILL");
    if (told.how === "return") return;
    throw new RangeError("as asked");
  }, 1500);
  await writing;
}
