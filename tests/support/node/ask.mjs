// Asks the proxy at argv[3] with the client argv[2] in the way argv[4] for the text argv[5]; prints what came of it.
import Anthropic from "@anthropic-ai/sdk";
import { AnthropicBedrock } from "@anthropic-ai/bedrock-sdk";

const [kind, baseURL, way, text] = process.argv.slice(2);
const common = { baseURL, maxRetries: 0, defaultHeaders: { "x-mode": way } };
const client =
  kind === "bedrock"
    ? new AnthropicBedrock({ ...common, awsAccessKey: "AKIAEXAMPLE", awsSecretKey: "example", awsRegion: "eu-west-1" })
    : new Anthropic({ ...common, apiKey: "secret-1" });
const asked = {
  model: kind === "bedrock" ? "us.anthropic.claude-opus-4-8-v1:0" : "claude-opus-4-8",
  max_tokens: 16,
  messages: [{ role: "user", content: text }],
};

function describe(message) {
  return {
    content: message.content.map(({ type, text, id, name, input }) => ({ type, text, id, name, input })),
    stop_reason: message.stop_reason,
    usage: [message.usage.input_tokens, message.usage.output_tokens],
  };
}

async function ask() {
  if (way === "whole" || way === "collect") return describe(await client.messages.create(asked));
  if (way !== "raw") return describe(await client.messages.stream(asked).finalMessage());
  const types = [];
  for await (const event of await client.messages.create({ ...asked, stream: true })) types.push(event.type);
  return { types };
}

try {
  console.log(JSON.stringify(await ask()));
} catch (error) {
  console.log(JSON.stringify({ error: String(error.message), status: error.status ?? null }));
}
