// Where the API is. Not taken from the page's own address: whoever could choose it would get the token.
export const API = "http://localhost:5000";
