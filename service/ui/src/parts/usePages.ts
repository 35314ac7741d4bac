import { useInfiniteQuery } from "@tanstack/react-query";

interface PageOf {
  nextPageToken: string;
}

/** A list in pages: the first is read at once, others when they are asked for. */
export function usePages<P extends PageOf>(key: readonly unknown[], ask: (pageToken: string, signal: AbortSignal) => Promise<P>, enabled = true) {
  return useInfiniteQuery({
    queryKey: key,
    enabled,
    initialPageParam: "",
    getNextPageParam: (page: P): string | undefined => page.nextPageToken || undefined,
    queryFn: ({ signal, pageParam }: { signal: AbortSignal; pageParam: unknown }): Promise<P> => ask(String(pageParam), signal),
  });
}
