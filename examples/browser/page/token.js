// Where the access token comes from. Here it is pasted, and stays in the form: no storage, no cookie, no URL.
//
// With Auth0's SDK for single-page apps this is all that changes:
//
//   const auth0 = await createAuth0Client({ domain, clientId, authorizationParams: { audience } });
//   export const accessToken = () => auth0.getTokenSilently();
export async function accessToken() {
  return document.getElementById("token").value.trim();
}
