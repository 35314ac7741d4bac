import type { Interceptor } from "@connectrpc/connect";
import { Store } from "../live/store";

/**
 * The access token of this page, in memory only: it is gone with the tab, and no other program of
 * this host can take it, which a cookie of a plain address doesn't prevent.
 */
class Session extends Store {
  token = "";
  /** Whether the server has refused a call for want of a credential. */
  asked = false;
  private key = "";
  private expires = 0;
  private renewing: Promise<void> | null = null;
  exchange: (key: string) => Promise<{ token: string; seconds: number }> = () => Promise.reject(new Error("no server"));

  async signIn(key: string): Promise<void> {
    await this.renew(key);
    this.key = key;
    this.asked = false;
    this.changed();
  }

  signOut(): void {
    this.key = "";
    this.token = "";
    this.asked = true;
    this.changed();
  }

  refused(): void {
    if (this.asked) return;
    this.token = "";
    this.asked = true;
    this.changed();
  }

  /** The token for a call, renewed when half of its time is over. */
  async current(): Promise<string> {
    if (this.key && Date.now() > this.expires) {
      this.renewing ??= this.renew(this.key).finally(() => (this.renewing = null));
      await this.renewing.catch(() => this.refused());
    }
    return this.token;
  }

  private async renew(key: string): Promise<void> {
    const got = await this.exchange(key);
    this.token = got.token;
    this.expires = Date.now() + got.seconds * 500;
  }
}

export const session = new Session();

const UNAUTHENTICATED = 16;

/** Adds the token to calls, and notes when the server asks for one. */
export const authorize: Interceptor = (next) => async (request) => {
  const exchanging = request.method.name === "ExchangeToken";
  if (!exchanging) {
    const token = await session.current();
    if (token) request.header.set("authorization", `Bearer ${token}`);
  }
  try {
    return await next(request);
  } catch (error) {
    if (!exchanging && (error as { code?: number }).code === UNAUTHENTICATED) session.refused();
    throw error;
  }
};
