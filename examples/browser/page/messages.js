// Asks the API, and says what its answer means for the user. Knows nothing of the page.
import { API } from "./settings.js";

const UNREACHABLE = {
  state: "unreachable",
  title: "The service cannot be reached",
  advice: "Check your connection. If it is fine, the API does not run, or does not let this page in (CORS).",
};

/**
 * @param {string} token - an access token, or nothing
 * @returns {Promise<{state: string, title: string, advice: string, facts?: Object, messages?: Array, retryAfter?: number}>}
 */
export async function readMessages(token) {
  let response;
  try {
    response = await fetch(`${API}/api/messages`, {
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      cache: "no-store",
    });
  } catch {
    return UNREACHABLE; // fetch() does not tell a page why
  }
  const body = await response.json().catch(() => ({}));
  return { ...meaningOf(response, body), facts: factsOf(response, body) };
}

function meaningOf(response, body) {
  switch (response.status) {
    case 200:
      return { state: "ok", title: "Your messages", advice: "", messages: body.messages };
    case 401:
      return unauthenticated(body.code);
    case 403:
      return {
        state: "forbidden",
        title: "You may not read messages",
        advice: `Your account lacks: ${missingScope(response)}. Signing in again does not help; ask whoever runs this service.`,
      };
    case 503: {
      const retryAfter = Number(response.headers.get("Retry-After")) || 5;
      return {
        state: "unavailable",
        title: "The service cannot check your login right now",
        advice: "It is not your fault, and you need not sign in again.",
        retryAfter,
      };
    }
    default:
      return { state: "unexpected", title: "Something went wrong", advice: "Please try again later." };
  }
}

function unauthenticated(code) {
  switch (code) {
    case "authorization_header_missing":
      return { state: "signed-out", title: "You are not signed in", advice: "Sign in to read your messages." };
    case "token_expired":
      return { state: "expired", title: "Your session has ended", advice: "Sign in again to go on." };
    default:
      return { state: "refused", title: "Your login was not accepted", advice: "Sign in again." };
  }
}

// RFC 6750 §3: the challenge says which scope would be enough.
function missingScope(response) {
  const found = /scope="([^"]*)"/.exec(response.headers.get("WWW-Authenticate") ?? "");
  return found ? found[1] : "a permission";
}

function factsOf(response, body) {
  return {
    Status: response.status,
    Code: body.code,
    Description: body.error_description,
    "WWW-Authenticate": response.headers.get("WWW-Authenticate"),
    "Retry-After": response.headers.get("Retry-After"),
  };
}
