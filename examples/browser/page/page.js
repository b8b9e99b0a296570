// Shows what messages.js has found out. Text is put in as text: nothing that the API says becomes HTML.
import { readMessages } from "./messages.js";
import { accessToken } from "./token.js";

const form = document.querySelector("form");
const button = form.querySelector("button");
const result = document.getElementById("result");
let countdown;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearInterval(countdown);
  show({ state: "waiting", title: "One moment …", advice: "" });
  button.disabled = true;
  try {
    show(await readMessages(await accessToken()));
  } finally {
    button.disabled = false;
    button.focus();
  }
});

function show({ state, title, advice, messages = [], facts = {}, retryAfter }) {
  result.dataset.state = state;
  result.querySelector("h2").textContent = title;
  result.querySelector(".advice").textContent = advice;
  result.querySelector("ul").replaceChildren(...messages.map(itemOf));
  result.querySelector("dl").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => pairOf(name, value)));
  result.querySelector("details").hidden = !Object.keys(facts).length;
  wait(retryAfter);
}

function itemOf(message) {
  const item = document.createElement("li");
  const author = document.createElement("strong");
  author.textContent = message.from;
  item.append(author, ` ${message.text}`);
  return item;
}

function pairOf(name, value) {
  if (value === null || value === undefined) return [];
  const term = document.createElement("dt");
  const definition = document.createElement("dd");
  term.textContent = name;
  definition.textContent = value;
  return [term, definition];
}

// Counted down for the eye only: a screen reader has read the advice, and is not interrupted every second.
function wait(seconds) {
  const note = result.querySelector(".wait");
  const tell = () => {
    note.textContent = seconds > 0 ? `Try again in ${seconds} s.` : seconds === undefined ? "" : "Try again now.";
    if (seconds === undefined || seconds-- <= 0) clearInterval(countdown);
  };
  countdown = setInterval(tell, 1000);
  tell();
}
