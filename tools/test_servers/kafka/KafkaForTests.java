import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import kafka.tools.StorageTool;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Time;

/**
 * A real Kafka for the tests: one process that is broker and controller (KRaft), on 127.0.0.1, with
 * Kafka's own admin client and producer behind a small HTTP service, so that tests in any language
 * can make topics and records.
 *
 * Arguments: the folder for its data, the ports of its listeners (broker, proxied, sasl, controller), and
 * the port that the proxied listener names as its own address: there a test puts a proxy. Writes one line
 * of JSON when it serves, and ends when its standard input closes.
 */
public final class KafkaForTests {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String HOST = "127.0.0.1";

  private final String brokers;
  private final Admin admin;
  private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();

  private KafkaForTests(String brokers) {
    this.brokers = brokers;
    this.admin = Admin.create(Map.of("bootstrap.servers", brokers));
  }

  public static void main(String[] args) {
    // From the start on, and not by a thread that keeps a dead program alive.
    Thread watch = new Thread(KafkaForTests::untilStandardInputCloses);
    watch.setDaemon(true);
    watch.start();
    try {
      run(args);
    } catch (Throwable failed) {
      failed.printStackTrace();
      // Threads of Kafka's would go on.
      Runtime.getRuntime().halt(1);
    }
  }

  private static void untilStandardInputCloses() {
    try {
      while (System.in.read() != -1) {
        // Nobody says anything.
      }
    } catch (IOException gone) {
      // As good as closed.
    }
    // Its folder is thrown away, so nothing need be flushed.
    Runtime.getRuntime().halt(0);
  }

  private static void run(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    int broker = Integer.parseInt(args[1]);
    int proxied = Integer.parseInt(args[2]);
    int sasl = Integer.parseInt(args[3]);
    int controller = Integer.parseInt(args[4]);
    int proxy = Integer.parseInt(args[5]);
    // Kafka writes to standard output now and then; only our line belongs there.
    PrintStream out = System.out;
    System.setOut(System.err);

    Properties settings = new Properties();
    settings.put("process.roles", "broker,controller");
    settings.put("node.id", "1");
    settings.put("controller.quorum.voters", "1@" + HOST + ":" + controller);
    settings.put(
        "listeners",
        String.join(
            ",",
            "PLAINTEXT://" + HOST + ":" + broker,
            "PROXIED://" + HOST + ":" + proxied,
            "SASL://" + HOST + ":" + sasl,
            "CONTROLLER://" + HOST + ":" + controller));
    settings.put(
        "advertised.listeners",
        String.join(
            ",",
            "PLAINTEXT://" + HOST + ":" + broker,
            "PROXIED://" + HOST + ":" + proxy,
            "SASL://" + HOST + ":" + sasl));
    settings.put(
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT");
    settings.put("sasl.enabled.mechanisms", "PLAIN");
    settings.put(
        "listener.name.sasl.plain.sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required"
            + " user_reader=\"not-a-secret\";");
    settings.put("controller.listener.names", "CONTROLLER");
    settings.put("inter.broker.listener.name", "PLAINTEXT");
    settings.put("log.dirs", folder.resolve("data").toString());
    settings.put("offsets.topic.replication.factor", "1");
    settings.put("offsets.topic.num.partitions", "1");
    settings.put("transaction.state.log.replication.factor", "1");
    settings.put("transaction.state.log.min.isr", "1");
    settings.put("transaction.state.log.num.partitions", "1");
    settings.put("share.coordinator.state.topic.num.partitions", "1");
    settings.put("share.coordinator.state.topic.replication.factor", "1");
    // A reader that asks for an unknown topic must not make it; were it allowed to, a test would see.
    settings.put("auto.create.topics.enable", "true");
    settings.put("message.max.bytes", String.valueOf(64 << 20));
    settings.put("socket.request.max.bytes", String.valueOf(80 << 20));
    settings.put("log.cleaner.dedupe.buffer.size", String.valueOf(4 << 20));
    // One that was killed may come back soon; one that had to stand still goes on.
    settings.put("broker.heartbeat.interval.ms", "500");
    settings.put("broker.session.timeout.ms", "2000");
    settings.put("initial.broker.registration.timeout.ms", "600000");
    settings.put("background.threads", "1");
    settings.put("num.network.threads", "1");
    settings.put("num.io.threads", "2");

    if (!Files.exists(folder.resolve("data"))) format(folder, settings);
    KafkaRaftServer server = new KafkaRaftServer(KafkaConfig.fromProps(settings), Time.SYSTEM);
    server.startup();
    KafkaForTests tests = new KafkaForTests(HOST + ":" + broker);
    int control = tests.serve();

    ObjectNode ready = JSON.createObjectNode();
    ready.put("broker", HOST + ":" + broker);
    ready.put("proxied", HOST + ":" + proxied);
    ready.put("proxy", HOST + ":" + proxy);
    ready.put("sasl", HOST + ":" + sasl);
    ready.put("control", "http://" + HOST + ":" + control);
    out.println(JSON.writeValueAsString(ready));
    out.flush();
  }

  private static void format(Path folder, Properties settings) throws IOException {
    Path file = folder.resolve("server.properties");
    try (var writer = Files.newBufferedWriter(file)) {
      settings.store(writer, null);
    }
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    String[] args = {"format", "--config", file.toString(), "--cluster-id", Uuid.randomUuid().toString()};
    if (StorageTool.execute(args, new PrintStream(said)) != 0) {
      throw new IOException("the storage cannot be formatted: " + said);
    }
  }

  private int serve() throws IOException {
    InetAddress here = InetAddress.getByName(HOST);
    HttpServer http = HttpServer.create(new InetSocketAddress(here, 0), 16);
    http.setExecutor(Executors.newCachedThreadPool());
    http.createContext("/", this::answer);
    http.start();
    return http.getAddress().getPort();
  }

  private void answer(HttpExchange exchange) throws IOException {
    int status = 200;
    byte[] body;
    try {
      JsonNode asked = JSON.readTree(exchange.getRequestBody());
      JsonNode said =
          switch (exchange.getRequestURI().getPath()) {
            case "/topics" -> makeTopic(asked);
            case "/records" -> produce(asked);
            case "/many" -> produceMany(asked);
            case "/trim" -> trim(asked);
            case "/delete" -> deleteTopic(asked);
            case "/list" -> JSON.valueToTree(admin.listTopics().names().get());
            case "/kill" -> {
              // As by kill -9: nothing is flushed, nobody is told.
              Runtime.getRuntime().halt(137);
              yield null;
            }
            default -> throw new IllegalArgumentException("no such command");
          };
      body = JSON.writeValueAsBytes(said);
    } catch (Exception failed) {
      status = 500;
      body = failed.toString().getBytes(StandardCharsets.UTF_8);
    }
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  /** {@code {topic, partitions, settings}}. */
  private JsonNode makeTopic(JsonNode asked) throws Exception {
    NewTopic topic = new NewTopic(asked.get("topic").asText(), asked.path("partitions").asInt(1), (short) 1);
    Map<String, String> settings = new HashMap<>();
    for (var setting : asked.path("settings").properties()) {
      settings.put(setting.getKey(), setting.getValue().asText());
    }
    admin.createTopics(List.of(topic.configs(settings))).all().get();
    return JSON.createObjectNode();
  }

  private JsonNode deleteTopic(JsonNode asked) throws Exception {
    admin.deleteTopics(List.of(asked.get("topic").asText())).all().get();
    return JSON.createObjectNode();
  }

  /** {@code {topic, partition, before}}: forgets the records before an offset. */
  private JsonNode trim(JsonNode asked) throws Exception {
    TopicPartition partition =
        new TopicPartition(asked.get("topic").asText(), asked.path("partition").asInt(0));
    RecordsToDelete before = RecordsToDelete.beforeOffset(asked.get("before").asLong());
    admin.deleteRecords(Map.of(partition, before)).all().get();
    return JSON.createObjectNode();
  }

  /**
   * {@code {topic, records: [{partition, key, value, headers}], compression, transaction}}: keys and values are
   * base64 or null; {@code transaction} is "commit" or "abort". Answers the offsets.
   */
  private JsonNode produce(JsonNode asked) throws Exception {
    String topic = asked.get("topic").asText();
    String transaction = asked.path("transaction").asText("");
    KafkaProducer<byte[], byte[]> producer =
        transaction.isEmpty() ? producer(asked) : transactional(asked);
    try {
      if (!transaction.isEmpty()) producer.beginTransaction();
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (JsonNode record : asked.get("records")) {
        ProducerRecord<byte[], byte[]> made =
            new ProducerRecord<>(
                topic, record.path("partition").asInt(0), bytes(record.get("key")), bytes(record.get("value")));
        for (var header : record.path("headers").properties()) {
          made.headers().add(header.getKey(), bytes(header.getValue()));
        }
        sent.add(producer.send(made));
      }
      producer.flush();
      var offsets = JSON.createArrayNode();
      for (var one : sent) offsets.add(one.get().offset());
      if (transaction.equals("commit")) producer.commitTransaction();
      if (transaction.equals("abort")) producer.abortTransaction();
      return offsets;
    } finally {
      if (!transaction.isEmpty()) producer.close();
    }
  }

  /** {@code {topic, partitions, count, bytes, compression}}: numbered records of a length, spread over partitions. */
  private JsonNode produceMany(JsonNode asked) throws Exception {
    KafkaProducer<byte[], byte[]> producer = producer(asked);
    String topic = asked.get("topic").asText();
    int partitions = asked.path("partitions").asInt(1);
    int length = asked.path("bytes").asInt(100);
    long count = asked.get("count").asLong();
    for (long i = 0; i < count; i++) {
      StringBuilder value = new StringBuilder(Long.toString(i)).append(' ');
      while (value.length() < length) value.append((char) ('a' + (i + value.length()) % 26));
      byte[] bytes = value.substring(0, Math.max(length, 1)).getBytes(StandardCharsets.US_ASCII);
      producer.send(new ProducerRecord<>(topic, (int) (i % partitions), null, bytes));
    }
    producer.flush();
    return JSON.createObjectNode();
  }

  private static byte[] bytes(JsonNode text) {
    return text == null || text.isNull() ? null : Base64.getDecoder().decode(text.asText());
  }

  private synchronized KafkaProducer<byte[], byte[]> producer(JsonNode asked) {
    String compression = asked.path("compression").asText("none");
    return producers.computeIfAbsent(compression, name -> new KafkaProducer<>(settings(name)));
  }

  private KafkaProducer<byte[], byte[]> transactional(JsonNode asked) {
    Map<String, Object> settings = settings(asked.path("compression").asText("none"));
    settings.put("transactional.id", Uuid.randomUuid().toString());
    var producer = new KafkaProducer<byte[], byte[]>(settings);
    producer.initTransactions();
    return producer;
  }

  private Map<String, Object> settings(String compression) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", brokers);
    settings.put("key.serializer", ByteArraySerializer.class);
    settings.put("value.serializer", ByteArraySerializer.class);
    settings.put("compression.type", compression);
    settings.put("max.request.size", 64 << 20);
    settings.put("batch.size", 256 << 10);
    // What is sent together shall be one batch.
    settings.put("linger.ms", 100);
    return settings;
  }
}
