// Two requests with OpenAI's Node SDK, unmodified, with what is in the environment. Prints a line of JSON after each;
// waits for a line on standard input between them. Usage: node openai_client.mjs FOLDER_OF_THE_SDK
import { once } from "node:events";
import { createRequire } from "node:module";

const { OpenAI } = createRequire(`${process.argv[2]}/package.json`)("openai");
const client = new OpenAI();
const ask = (content, stream) =>
  client.chat.completions.create({ model: "sandbox-parrot", messages: [{ role: "user", content }], stream });
const whole = await ask("one", false);
console.log(JSON.stringify({ text: whole.choices[0].message.content }));
await once(process.stdin, "data");
let text = "";
for await (const chunk of await ask("two", true)) text += chunk.choices[0].delta.content ?? "";
console.log(JSON.stringify({ text }));
process.exit(0);
