// Renders the service's OpenAPI description.

import { shellQuote } from "./command.js";

function element(tag, text, ...children) {
  const found = document.createElement(tag);
  found.append(...(text ? [text] : []), ...children);
  return found;
}

/** A parameter's type, range and default. */
function allowed(schema) {
  const kind = schema.anyOf?.find(({ type }) => type !== "null") ?? schema;
  const low = kind.minimum ?? kind.exclusiveMinimum;
  const range = low === undefined ? "" : ` from ${low}${kind.maximum === undefined ? "" : ` to ${kind.maximum}`}`;
  const fallback = schema.default === undefined || schema.default === null ? ""
    : `, default ${[schema.default].flat().join(", ")}`;
  return `${kind.type}${range}${fallback}`;
}

function section(method, path, operation) {
  const found = element("section", "", element("h2", `${method.toUpperCase()} ${path}`));
  found.append(element("p", `${operation.summary}.`));
  const list = element("dl");
  for (const { name, description, schema } of operation.parameters ?? []) {
    list.append(element("dt", "", element("code", name)));
    list.append(element("dd", `${description} (${allowed(schema)})`));
  }
  if (operation.requestBody) {
    list.append(element("dt", "body"), element("dd", operation.requestBody.description));
  }
  for (const [status, { description }] of Object.entries(operation.responses)) {
    list.append(element("dt", status), element("dd", description));
  }
  found.append(list);
  return found;
}

const operations = document.getElementById("operations");
const described = await (await fetch("openapi.json")).json();
for (const [path, methods] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    operations.append(section(method, path, operation));
  }
}
const address = new URL("api/stylize?style=udnie&strength=1.1", location.href); // below any prefix
operations.append(
  element("h2", "Example"),
  element("pre", `curl --data-binary @photo.jpg ${shellQuote(address.href)} -o painting.png`),
);
